//! The host's socket: go commands outside of sandboxes (`sandbox = false`, CI), of any user. Off unless asked for.
//!
//! Each session gets a directory as a build has one, under a name that nobody can guess, and a socket in it that hears its
//! own user only. What a session is shown lies there for as long as the session does: until the process that leads it is
//! gone (`setsid(2)`; Nix makes each builder one), or, where that cannot be seen, for hours without a connection.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use proto::FrameError;
use proto::control::{Answer, Control, Descriptor, Registration};
use rustix::net::UCred;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, getsid, pidfd_open};

use crate::control::{Context, converse, registered};

/// Answers one request.
///
/// # Errors
/// Where the peer said nothing that can be answered.
pub(crate) fn run(stream: &UnixStream, context: &Context) -> Result<(), FrameError> {
    let peer = socket_peercred(stream).map_err(std::io::Error::from)?;
    converse(stream, log::Level::Warn, |request, _| match request {
        Control::Register(asked) => {
            // A name is all that it may say of itself.
            let leader = leader(&peer);
            let descriptors = leader.iter().map(|_| Descriptor::Worker).collect();
            let registration = Registration { derivation: asked.derivation, chroot: None, descriptors };
            let fds = leader.into_iter().collect();
            registered(context, context.registry.register(&registration, fds, Some(peer.uid.as_raw())))
        }
        Control::Status | Control::Builds | Control::Account { .. } => {
            Answer::Error("this socket is for sessions".to_owned())
        }
    })
}

/// The process that leads the peer's session; `None` where it is none of this machine's (a container's).
fn leader(peer: &UCred) -> Option<OwnedFd> {
    pidfd_open(getsid(Some(peer.pid)).ok()?, PidfdFlags::empty()).ok()
}

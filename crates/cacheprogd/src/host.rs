//! The host's socket: go commands outside of sandboxes (`sandbox = false`, CI), of any user. Off unless asked for.
//!
//! Each session gets a directory as a build has one, under a name that nobody can guess, and a socket in it that hears its
//! own user only. What a session is shown lies there for as long as the session does: until the process that leads it is
//! gone (`setsid(2)`; Nix makes each builder one), or, where that cannot be seen, for hours without a connection.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use proto::FrameError;
use proto::control::{Answer, Control, Descriptor, Registration};
use proto::wire::write_json_line;
use rustix::net::UCred;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, getsid, pidfd_open};

use crate::control::{Context, read, registered};

/// Answers one request.
///
/// # Errors
/// Where the peer said nothing that can be answered.
pub(crate) fn run(stream: &UnixStream, context: &Context) -> Result<(), FrameError> {
    let peer = socket_peercred(stream).map_err(std::io::Error::from)?;
    let answer = match read(stream)? {
        Ok((Control::Register(asked), _)) => {
            // A name is all that it may say of itself.
            let leader = leader(&peer);
            let descriptors = leader.iter().map(|_| Descriptor::Worker).collect();
            let registration = Registration { derivation: asked.derivation, chroot: None, descriptors };
            let fds = leader.into_iter().collect();
            registered(context, context.registry.register(&registration, fds, Some(peer.uid.as_raw())))
        }
        Ok((Control::Status | Control::Builds | Control::Account { .. }, _)) => {
            Answer::Error("this socket is for sessions".to_owned())
        }
        Err(error) => Answer::Error(error),
    };
    Ok(write_json_line(stream, &answer)?)
}

/// The process that leads the peer's session; `None` where it is none of this machine's (a container's).
fn leader(peer: &UCred) -> Option<OwnedFd> {
    pidfd_open(getsid(Some(peer.pid)).ok()?, PidfdFlags::empty()).ok()
}

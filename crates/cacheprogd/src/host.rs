//! The host's socket: go commands outside of sandboxes (`sandbox = false`, CI), of any user. Off unless asked for.
//!
//! Each session gets a directory as a build has one, under a name that nobody can guess, and a socket in it that hears its
//! own user only. What a session is shown lies there for as long as the session does: until the process that leads it is
//! gone (`setsid(2)`; Nix makes each builder one), or, where that cannot be seen, for hours without a connection.

use std::os::unix::net::UnixStream;

use proto::FrameError;
use proto::control::{Answer, Control, Descriptor, Registration};
use proto::wire::write_json_line;

use crate::control::{Context, read, registered};
use crate::peer::Peer;

/// Answers one request.
///
/// # Errors
/// Where the peer said nothing that can be answered.
pub(crate) fn run(stream: &UnixStream, context: &Context) -> Result<(), FrameError> {
    let peer = Peer::of(stream)?;
    let answer = match read(stream)? {
        Ok((Control::Register(asked), _)) => {
            // A name is all that it may say of itself.
            let leader = peer.leader();
            let descriptors = leader.iter().map(|_| Descriptor::Worker).collect();
            let registration = Registration { derivation: asked.derivation, chroot: None, descriptors };
            let fds = leader.into_iter().collect();
            registered(context, context.registry.register(&registration, fds, Some(peer.uid)))
        }
        Ok((Control::Status | Control::Builds | Control::Account { .. }, _)) => {
            Answer::Error("this socket is for sessions".to_owned())
        }
        Err(error) => Answer::Error(error),
    };
    Ok(write_json_line(stream, &answer)?)
}

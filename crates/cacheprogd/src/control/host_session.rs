//! The host's socket: go commands outside of sandboxes (`sandbox = false`, CI), of any user. Off unless asked for.
//!
//! Each session gets a directory as a build has one, under a name that nobody can guess, and a socket in it that hears its
//! own user only. What a session is shown lies there for as long as the session does: until the process that leads it is
//! gone (`setsid(2)`; Nix makes each builder one), or, where that cannot be seen, for hours without a connection.

use proto::FrameError;
use proto::control::{Answer, Control, Descriptor, Registration};

use crate::control::{Context, read, registered, write};
use crate::peer::Peer;
use crate::sessions::Connection;

/// Answers one request.
///
/// # Errors
/// Where the peer said nothing that can be answered.
pub(crate) fn run(connection: &Connection, context: &Context, peer: Peer) -> Result<(), FrameError> {
    let request = read(&connection.stream)?;
    let under_way = connection.request();
    let answer = match request {
        Ok((Control::Register(asked), _)) => {
            // A name is all that it may say of itself.
            let leader = peer.leader();
            let descriptors = leader.iter().map(|_| Descriptor::Worker).collect();
            let registration = Registration { derivation: asked.derivation, chroot: None, descriptors };
            let fds = leader.into_iter().collect();
            registered(context, context.registry.register(&registration, fds, Some(peer.uid)))
        }
        Ok((Control::Status | Control::Builds | Control::BuildProfile { .. }, _)) => {
            Answer::Error("this socket is for sessions".to_owned())
        }
        Err(error) => Answer::Error(error),
    };
    drop(under_way);
    Ok(write(&connection.stream, &answer)?)
}

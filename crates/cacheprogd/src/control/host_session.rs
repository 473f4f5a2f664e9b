//! The host's socket: sessions of go commands outside of sandboxes (`sandbox = false`, CI), of any user. Off unless asked for.
//!
//! Each session gets a directory as a build has one, under a name that cannot be guessed, and a socket in it that accepts only
//! its own user. The outputs that it was given lie there for as long as the session lives: until the process that leads it has
//! exited (`setsid(2)`; Nix makes each builder one), or, where that cannot be seen, for hours without a connection.

use proto::FrameError;
use proto::control::{Answer, Control, Descriptor, Registration};

use super::message::{read, write};
use super::register::{Registrant, register};
use crate::context::Context;
use crate::net::connections::Connection;
use crate::net::peer_credentials::Peer;

/// Answers one request.
///
/// # Errors
/// Where the peer sent nothing that can be answered.
pub(crate) fn serve(connection: &Connection, context: &Context, peer: Peer) -> Result<(), FrameError> {
    let request = read(&connection.stream)?;
    let under_way = connection.begin_request();
    let answer = match request {
        Ok((Control::Register(asked), _)) => {
            // Only the name is taken from the peer.
            let leader = peer.session_leader();
            let descriptors = leader.iter().map(|_| Descriptor::Worker).collect();
            let registration =
                Registration { derivation: asked.derivation, chroot: None, descriptors, ..Registration::default() };
            register(context, &registration, leader.into_iter().collect(), Registrant::User(peer.uid))
        }
        Ok((Control::Status | Control::Builds | Control::BuildProfile { .. }, _)) => {
            Answer::Error("this socket only opens sessions; ask at the status socket".to_owned())
        }
        Err(refusal) => Answer::Error(refusal.error),
    };
    drop(under_way);
    Ok(write(&connection.stream, &answer)?)
}

//! Registering a build, or a session outside of sandboxes: the registry makes its directory and its socket, and the accept loop
//! is woken to wait on that socket.
//!
//! Who may register, requests.rs and `host_session.rs` decide.

use std::os::fd::OwnedFd;

use proto::control::{Answer, Registration};
use proto::error::with_causes;

use crate::context::Context;

/// Registers; `owner` is the user of a session outside of sandboxes.
pub(super) fn register(
    context: &Context,
    registration: &Registration,
    fds: Vec<OwnedFd>,
    owner: Option<u32>,
) -> Answer {
    match context.registry.register(registration, fds, owner) {
        Ok(directory) => {
            // Should this fail, the loop finds the new socket at its next turn, within a second.
            let _late = rustix::io::write(&context.wake, &1u64.to_ne_bytes());
            Answer::Registered { directory }
        }
        Err(e) => Answer::Error(with_causes(&e)),
    }
}

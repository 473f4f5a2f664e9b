//! Registering a build, or a session outside of sandboxes: the registry makes its directory and its socket, and the accept loop
//! is woken to wait on that socket.
//!
//! Who may register, requests.rs and `host_session.rs` decide.

use std::os::fd::OwnedFd;

use proto::control::{Answer, Registration};
use proto::error::with_causes;

use crate::context::Context;
use crate::remote::begin_prefetch::{prefetch, toolchain_at};
use crate::session::prepare_table::prepare;

/// What is registered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Registrant {
    /// A build in a sandbox. `may_prelink`: it runs under another uid than the daemon, and objects may be linked for it.
    Build { may_prelink: bool },
    /// A session of this user outside of sandboxes.
    User(u32),
}

/// Registers.
pub(super) fn register(context: &Context, registration: &Registration, fds: Vec<OwnedFd>, by: Registrant) -> Answer {
    let owner = match by {
        Registrant::User(uid) => Some(uid),
        Registrant::Build { .. } => None,
    };
    match context.registry.register(registration, fds, owner) {
        Ok((build, directory)) => {
            // What has a network is a fetch, which asks for nothing that Go compiled.
            if matches!(by, Registrant::Build { may_prelink: true }) && registration.is_offline {
                prepare(context, &build);
            }
            if let Some((remote, by)) = context.remote.as_ref().zip(build.prefetches()) {
                for goroot in &registration.goroots {
                    drop(prefetch(remote, by, &toolchain_at(goroot)));
                }
            }
            // Should this fail, the loop finds the new socket at its next turn, within a second.
            let _late = rustix::io::write(&context.wake, &1u64.to_ne_bytes());
            Answer::Registered { directory }
        }
        Err(e) => Answer::Error(with_causes(&e)),
    }
}

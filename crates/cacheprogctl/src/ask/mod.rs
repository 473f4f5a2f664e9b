//! What is asked of a running daemon: status, builds, why, top.
//!
//! connection.rs speaks to the daemon, modproxy.rs to a module proxy that runs as a service; `build_selector.rs` finds the build that a user names; report.rs makes the text of a status
//! and of builds.

mod build_selector;
mod connection;
mod modproxy;
mod report;

pub(crate) mod builds;
pub(crate) mod status;
pub(crate) mod top;
pub(crate) mod why;

pub(crate) use build_selector::nearest_names;
pub(crate) use connection::{Sockets, profile as build_profile, status as daemon_status};

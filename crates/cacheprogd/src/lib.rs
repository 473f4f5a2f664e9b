//! The host daemon: it makes a directory and a socket for each build, and serves a shared store to each through its own.
//!
//! Folders, each with what it owns in its mod.rs: serve/ starts and stops the daemon and runs the accept loop; net/ has sockets
//! and connections; control/ answers the hook and the command line; session/ answers gets and puts; builds/ has the live builds;
//! telemetry/ what is remembered of them; maintenance/ what is done beside the connections; http/ the metrics and the page. Files of
//! all: limits.rs is the table of limits, context.rs what all threads share, layers.rs from where the store takes what it has not,
//! mutex.rs the policy for poisoned locks, clock.rs the only clock.
//!
//! The folders use each other in one direction: serve/ uses all; control/, session/ and http/ use builds/; builds/ uses telemetry/,
//! maintenance/ and net/; these three use none of them.
//!
//! The rule to keep: no input from a build can end the daemon or hold up another build.

pub mod cli;
pub mod error;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod builds;
mod clock;
mod context;
mod control;
mod http;
mod layers;
mod limits;
mod maintenance;
mod mutex;
mod net;
mod random;
mod remote;
mod serve;
mod session;
mod telemetry;
mod trust;

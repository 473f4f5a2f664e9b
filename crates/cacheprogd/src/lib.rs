//! The host daemon: it makes a directory and a socket for each build, and serves a shared store to each through its own.
//!
//! Where things are: serve.rs is the loop that owns all sockets and decides what happens when; registry.rs the live
//! builds; build.rs one live build; watch.rs whether a build still runs (pure but for the looking);
//! session.rs a connection from a sandbox; handler.rs gets and puts, without sockets; control.rs the hook's and the
//! command line's requests; listener.rs binding; order.rs how the last daemon
//! stopped; housekeeping.rs when to evict, gc.rs doing it; settings.rs what may be kept; state.rs finding a store from the command
//! line; verify.rs a look at everything; fds.rs the only `unsafe`; clock.rs the only clock.
//!
//! The rule to keep: no input from a build can end the daemon or hold up another build.

pub mod cli;
pub mod error;

mod build;
mod client;
mod clock;
mod control;
mod fds;
mod gc;
mod handler;
mod health;
mod history;
mod housekeeping;
mod listener;
mod order;
mod registry;
mod report;
mod serve;
mod session;
mod settings;
mod state;
mod sync;
mod verify;
mod watch;

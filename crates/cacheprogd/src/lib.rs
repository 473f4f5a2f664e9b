//! The host daemon: it makes a directory and a socket for each build, and serves a shared store to each through its own.
//!
//! Where things are: serve.rs starts and stops it; accept.rs is the loop that owns all sockets and decides what happens when,
//! pause.rs when it accepts again after that failed; registry.rs the live
//! builds; build.rs one live build; watch.rs whether a build still runs (pure but for the looking); peer.rs who connected;
//! sessions.rs all connections, `connection_table.rs` who has room for one (pure), deadline.rs how long a peer may take; session.rs one from a sandbox, with aside.rs for what takes long there; handler.rs gets and puts, without sockets; goroot.rs which
//! indexes are of the toolchain; control.rs the hook's and the
//! command line's requests, host.rs those of go commands outside of sandboxes; listener.rs binding; order.rs how the last
//! daemon stopped; housekeeping.rs when to evict, evict.rs doing it; idle.rs when to end for lack of work; fds.rs the only `unsafe`;
//! clock.rs the only clock.
//! What is remembered of builds, for looking at: trace/ what a live one asks for, account/ the same by package, history.rs their
//! counts, meter.rs and usage.rs what the cache gave by time.
//!
//! The rule to keep: no input from a build can end the daemon or hold up another build.

pub mod cli;
pub mod error;

mod accept;
mod account;
mod aside;
mod build;
mod clock;
mod connection_table;
mod control;
mod deadline;
mod evict;
mod fds;
mod goroot;
mod handler;
mod health;
mod history;
mod host;
mod housekeeping;
mod http;
mod idle;
mod listener;
mod meter;
mod order;
mod pause;
mod peer;
mod policy;
mod quota;
mod registry;
mod serve;
mod session;
mod sessions;
mod sync;
mod trace;
mod usage;
mod watch;

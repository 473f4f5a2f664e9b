//! The host daemon: it makes a directory and a socket for each build, and serves a shared store to each through its own.
//!
//! Where things are: serve.rs is the loop that owns all sockets and decides what happens when; registry.rs the live
//! builds; build.rs one live build; watch.rs whether a build still runs (pure but for the looking);
//! session.rs a connection from a sandbox; handler.rs gets and puts, without sockets; control.rs the hook's and the
//! command line's requests; listener.rs binding; order.rs how the last daemon
//! stopped; housekeeping.rs when to evict, gc.rs doing it; settings.rs what may be kept; state.rs finding a store from the command
//! line; verify.rs a look at everything; fds.rs the only `unsafe`; clock.rs the only clock.
//! What is remembered of builds, for looking at: trace/ what a live one asks for, account/ the same by package, history.rs their
//! counts, meter.rs and usage.rs what the cache gave by time. The command line: client.rs asks the daemon, status.rs, builds.rs and
//! why/ are its questions, report.rs, table.rs and screen.rs how answers look, names.rs which build is meant.
//!
//! The rule to keep: no input from a build can end the daemon or hold up another build.

pub mod cli;
pub mod error;

mod account;
mod build;
mod builds;
mod client;
mod clock;
mod control;
mod doctor;
mod fds;
mod gc;
mod generate;
mod handler;
mod health;
mod history;
mod housekeeping;
mod http;
mod listener;
mod meter;
mod names;
mod order;
mod progress;
mod purge;
mod registry;
mod report;
mod screen;
mod serve;
mod session;
mod settings;
mod state;
mod status;
mod sync;
mod table;
mod top;
mod trace;
mod usage;
mod verify;
mod watch;
mod why;

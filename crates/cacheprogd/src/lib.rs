//! The host daemon: it makes a directory and a socket for each build, and serves a shared store to each through its own.
//!
//! Where things are: serve.rs starts and stops it; accept.rs is the loop that owns all sockets and decides what happens when,
//! pause.rs when it accepts again after that failed; registry.rs the live
//! builds; build.rs one live build; watch.rs whether a build still runs (pure but for the looking); peer.rs who connected;
//! sessions.rs all connections, `connection_table.rs` who has room for one (pure), deadline.rs how long a peer may take; session.rs one from a sandbox, with aside.rs for what takes long there; handler.rs gets and puts, without sockets; goroot.rs which
//! indexes are of the toolchain; control.rs the hook's and the
//! command line's requests, host.rs those of go commands outside of sandboxes; listener.rs binding; order.rs how the last
//! daemon stopped; housekeeping.rs when to evict, gc.rs doing it; settings.rs what may be kept (check.rs: is it well said); state.rs finding a store from
//! the command line; verify.rs a look at everything; idle.rs when to end for lack of work; install.rs and steps.rs what is put
//! in place on other systems than NixOS; fds.rs the only `unsafe`; clock.rs the only clock.
//! What is remembered of builds, for looking at: trace/ what a live one asks for, account/ the same by package, history.rs their
//! counts, meter.rs and usage.rs what the cache gave by time. The command line: client.rs asks the daemon, status.rs, builds.rs and
//! why/ are its questions, report.rs, table.rs and screen.rs how answers look, names.rs which build is meant.
//!
//! The rule to keep: no input from a build can end the daemon or hold up another build.

pub mod cli;
pub mod error;

mod accept;
mod account;
mod aside;
mod build;
mod builds;
mod check;
mod client;
mod clock;
mod connection_table;
mod control;
mod deadline;
mod doctor;
mod fds;
mod gc;
mod generate;
mod goroot;
mod handler;
mod health;
mod history;
mod host;
mod housekeeping;
mod http;
mod idle;
mod install;
mod listener;
mod meter;
mod names;
mod order;
mod pause;
mod peer;
mod policy;
mod progress;
mod purge;
mod quota;
mod registry;
mod report;
mod screen;
mod serve;
mod session;
mod sessions;
mod settings;
mod state;
mod status;
mod steps;
mod sync;
mod table;
mod top;
mod trace;
mod usage;
mod verify;
mod watch;
mod why;

//! The host daemon: it makes a directory and a socket for each build, and serves a shared store to each through its own.
//!
//! Where things are: serve.rs is the loop that owns all sockets and decides what happens when; registry.rs the live
//! builds; build.rs one live build; watch.rs whether a build still runs (pure but for the looking);
//! session.rs a connection from a sandbox; handler.rs gets and puts, without sockets; control.rs the hook's and the
//! command line's requests, host.rs those of go commands outside of sandboxes; listener.rs binding; order.rs how the last
//! daemon stopped; housekeeping.rs when to evict, gc.rs doing it; settings.rs what may be kept (check.rs: is it well said); state.rs finding a store from
//! the command line; verify.rs a look at everything; idle.rs when to end for lack of work; install.rs and steps.rs what is put
//! in place on other systems than NixOS; fds.rs the only `unsafe`; clock.rs the only clock.
//!
//! The rule to keep: no input from a build can end the daemon or hold up another build.

pub mod cli;
pub mod error;

mod build;
mod check;
mod client;
mod clock;
mod control;
mod fds;
mod gc;
mod handler;
mod health;
mod history;
mod host;
mod housekeeping;
mod idle;
mod install;
mod listener;
mod order;
mod registry;
mod report;
mod serve;
mod session;
mod settings;
mod state;
mod steps;
mod sync;
mod verify;
mod watch;

//! A strict S3 that injects faults, for tests: `Double::start(Settings::new("bucket", "region"))` in a process, or the executable
//! `s3-double`. It is as strict as a real engine, or stricter; what it does not implement is 501. It is no server for use.
//!
//! Where things are: settings.rs the command line; server.rs and connection.rs the connections, over `tiny_http`; exchange.rs one
//! request; sigv4.rs signatures; s3.rs and webdav.rs the two faces, objects.rs what they share; store.rs the objects; faults.rs and
//! sending.rs the faults; `request_log.rs` the log; control.rs what tests ask below `/-/`; clock.rs the clock that they move.

mod clock;
mod connection;
mod control;
mod exchange;
mod faults;
pub mod hash;
mod mutex;
mod objects;
mod reply;
mod request;
mod request_log;
mod s3;
mod sending;
mod server;
mod settings;
mod sigv4;
mod state;
mod store;
mod webdav;

/// The longest body that is read. Above the limit of every object of the remote tier (64 MiB), so that tests see the client's own.
const MOST_BYTES: u64 = 80 << 20;

pub use faults::{Fault, Rule};
pub use request_log::{Logged, Totals};
pub use server::{Double, StartError};
pub use settings::{Behavior, Key, Right, Session, Settings};
pub use store::{Existing, Object, Put, Store};

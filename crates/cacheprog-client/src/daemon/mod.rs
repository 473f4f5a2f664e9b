//! The daemon as the cache.
//!
//! [`session`] puts the parts together. `put` is the one way of a put to the daemon; `sharing/` decides for whom it is. `dispatch`
//! sends requests, `in_flight` knows which ones wait for a reply and when they are late. `reply_reader` reads the replies on a
//! thread of its own and connects again, `replies` answers cmd/go with them. `jobs` is what waits for files to be read, on a third
//! thread. `blinded_table` has answers that need no daemon. Whatever the daemon does not answer, `fallback` answers from the spool;
//! `circuit_breaker` keeps a build's other clients from waiting for a daemon that hangs.

mod blinded_table;
mod circuit_breaker;
mod dispatch;
mod fallback;
mod in_flight;
mod jobs;
mod operation;
mod put;
mod replies;
mod reply_reader;
pub(crate) mod session;

//! The daemon as the cache.
//!
//! [`session`] puts the parts together. `put` is the one way of a put to the daemon and decides how it is shared; `dispatch`
//! sends requests, `in_flight` knows which ones wait for a reply and when they are late. `reply_reader` reads the replies on a
//! thread of its own and connects again, `replies` answers cmd/go with them. `test_result_jobs` makes and checks lists of
//! tests' inputs on a third thread, and `job_table` knows its jobs. Whatever the daemon does not answer, `fallback` answers
//! from the spool; `circuit_breaker` keeps a build's other clients from waiting for a daemon that hangs.

mod circuit_breaker;
mod dispatch;
mod fallback;
mod in_flight;
mod job_table;
mod operation;
mod put;
mod replies;
mod reply_reader;
pub(crate) mod session;
mod test_result_jobs;

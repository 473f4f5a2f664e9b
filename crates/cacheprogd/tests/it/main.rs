//! The daemon as a process, spoken to over its sockets. Each test has a daemon of its own.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the parts of Nix, of clients and of vandals")]

mod crowd; // many, slow and silent connections
mod eviction; // what is kept, and what goes
mod figures; // what is counted, and how it is told
mod host; // go commands outside of sandboxes
mod hostile; // what a build may try, and what it may not reach
mod lifecycle; // start, restart, stop
mod offers; // what is served under a condition
mod seeing; // what others are told of builds
mod serving; // gets and puts, and who sees what
mod slow; // an object that has to be read before it is served
mod strangers; // what those who only look may cause

use testkit::{Session, action, content, output};

mod daemon {
    pub(crate) use testkit::Daemon;
}

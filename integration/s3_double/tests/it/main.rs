//! The server over its socket: what it serves and refuses, faults, control. The client here signs by itself.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a client of its own signs with the time of now")]

mod client; // a client that signs, and shows what really came over the connection
mod control; // faults, log and clock by HTTP; the executable
mod faults; // what a client sees of each fault
mod operations; // objects, lists, ranges, rights, regions, tokens
mod webdav; // the other face

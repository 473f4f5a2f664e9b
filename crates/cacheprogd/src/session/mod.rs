//! A connection of a go command, from its hello to its end: frames.rs reads requests and writes replies; `slow_gets.rs` is the
//! second thread of a session, for gets whose objects must be verified first or are on their way from another machine; handler/ answers gets
//! and puts without sockets; `prepare_table.rs` makes the table by which a build's client answers gets by itself; `share_policy.rs` decides
//! with whom an entry is shared (a pure table); `toolchain_index.rs` proves that an index is of the toolchain's own sources.
//!
//! The build of a connection comes from the accept loop: each build has its own socket.

pub(crate) mod frames;
mod handler;
pub(crate) mod prepare_table;
mod share_policy;
mod slow_gets;
pub(crate) mod toolchain_index;

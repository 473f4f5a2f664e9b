//! The side of the go command: its requests are read here and answered here.
//!
//! [`serve`] reads requests and hands them to a [`cache`]; [`responder`] writes the answers. [`invocation`] describes how the go
//! command was called, [`stdio`] prepares this process as a child of it. No store and no socket is known here.

pub(crate) mod cache;
pub(crate) mod invocation;
pub(crate) mod responder;
pub(crate) mod serve;
pub(crate) mod stdio;

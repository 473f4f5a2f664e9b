//! The side of cmd/go: its requests are read here and answered here.

pub(crate) mod cache;
pub(crate) mod invocation;
pub(crate) mod responder;
pub(crate) mod serve;
pub(crate) mod stdio;

//! What serve.rs asks of a cache. There are two: a store of the user's own (`local/embedded_store.rs`) and the daemon
//! (daemon/session.rs).

use std::io::BufRead;

use proto::gocmd::{Body, BodyError};
use proto::{ActionId, Output};

/// A cache that answers cmd/go. Each request is answered exactly once, now or later, unless its body was abandoned.
pub(crate) trait Cache {
    /// Answers a get.
    fn get(&mut self, id: i64, action: &ActionId);

    /// Reads the body and answers the put.
    fn put<R: BufRead>(&mut self, id: i64, put: PutHeader, body: &mut Body<'_, R>) -> Result<(), BodyError>;

    /// Returns when everything is answered.
    fn finish(&mut self);
}

/// A put without its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutHeader {
    pub(crate) action: ActionId,
    pub(crate) output: Output,
}

//! Stores in directories of this user's.

pub(crate) mod embedded_store;
pub(crate) mod local_store;
pub(crate) mod maintenance;
pub(crate) mod spool_flush;

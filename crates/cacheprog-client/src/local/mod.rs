//! Stores in directories of this user: the embedded store and the spool.
//!
//! [`local_store`] is one store; [`embedded_store`] is the cache of a go command without a daemon, [`spool`] keeps what a daemon
//! does not take. [`remote_store`] has a remote store's entries brought here. [`spool_flush`] hands the spool on to the daemon later, [`maintenance`] keeps both within their limits. [`figures`] counts what a go command gets from the embedded store.

pub(crate) mod embedded_store;
mod entry;
pub(crate) mod figures;
pub(crate) mod layers;
pub(crate) mod local_store;
pub(crate) mod maintenance;
mod path_for_go;
pub(crate) mod remote_store;
pub(crate) mod spool;
pub(crate) mod spool_flush;
mod vet_output;

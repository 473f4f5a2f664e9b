//! What is written, as bytes and names: pure, without a disk, a clock or a lock.
//!
//! layout.rs has the names of files and directories, record.rs the line of a record, namespace.rs and origin.rs what a record
//! says of whom it is for and whom it is from, kind.rs what a body is by its bytes, members.rs what made a compiled package,
//! archive.rs what it contains about itself.

pub mod archive;
pub(crate) mod kind;
pub(crate) mod layout;
pub(crate) mod members;
pub(crate) mod namespace;
pub(crate) mod origin;
pub(crate) mod record;

//! Objects: the files that hold outputs.
//!
//! `staged_body.rs` reads, hashes and checks a body; publish.rs gives it its integrity mtime and moves it to its path;
//! `integrity_mtime.rs` finds later whether the file still holds the output. Only `atomic_rename.rs` makes anything visible.

pub(crate) mod atomic_rename;
pub(crate) mod integrity_mtime;
pub(crate) mod publish;
pub(crate) mod staged_body;

//! What a remote store has, and how it is read and written. Pure: no sockets, files, environment or clock.
//!
//! ```text
//! o/<sha256>                                 a frame file: zstd frames of outputs, in the order of their first use
//! p/<sha256>                                 a signed index: which actions have which outputs, and in which frames those are
//! h/<partition>/<toolchain>/<name>/<key>     a signed head: the newest index that one writer has for builds of one name
//! ```
//!
//! All but heads are named by their content and never change. Of a head the last write counts; each has one writer, who alone can
//! sign it. A reader trusts the keys of its settings alone: neither the store, nor the process that fetched the bytes, nor other writers.
//! (docs/reference/remote-format.md)

pub mod content_hash;
pub mod frames;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod head;
pub mod index;
pub mod keys;
pub mod limits;
pub mod name;
pub mod read_plan;
pub mod series;
pub mod url;
pub mod write_plan;

mod fields;
#[cfg(test)]
mod fixture;

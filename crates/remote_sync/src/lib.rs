//! Brings a store what a remote store has for builds of a name, and the other way round.
//!
//! What is fetched is admitted only where a trusted key signed it: signatures are verified over head and index, hashes over frames and
//! outputs. Where the bytes came from does not count.

pub mod frame_memory;
pub mod objects;
pub mod pull;
pub mod push;
pub mod read_index;
pub mod socket;
pub mod status;

#[cfg(test)]
mod fixture;
mod local_entries;
mod mutex;
mod seen_heads;

pub use seen_heads::make_dir;

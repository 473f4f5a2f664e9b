//! Who else may use what this go command puts, and whether it may use what others put.
//!
//! [`class`] tells what a body is, [`side_entries`] which put belongs to which package, [`classifier`] uses both: what is for every
//! build, what under a condition, what for none. [`shares`] computes the conditions of what is to be shared. [`worker`] is
//! the thread for all that reads files; `job_table` knows which of its jobs are not answered yet. [`hits`] are the entries that the
//! go command was given.
//!
//! The rule (docs/explanation/soundness.md): what Go's key covers is shared at once; all else is private at first, and shared when
//! its condition is known and nothing in it changed since the go command began.

pub(crate) mod class;
pub(crate) mod classifier;
pub(crate) mod hits;
mod job_table;
pub(crate) mod shares;
pub(crate) mod side_entries;
pub(crate) mod worker;

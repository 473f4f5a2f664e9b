//! Why a build missed: the comparison of its profile with that of an earlier build. Pure.
//!
//! cause.rs compares two profiles and finds the cause of each miss; verdict.rs is what it finds; `go_command.rs` knows which flags
//! and settings of a go command are in Go's keys; group.rs takes misses of one cause together and words them; earlier.rs says which
//! earlier builds to compare with.
//!
//! The daemon puts the main cause into a build's log, and `cacheprogctl why` shows all of them. What a profile holds is proto's.

mod cause;
mod earlier;
mod go_command;
mod group;
#[cfg(test)]
mod tests;
mod verdict;

pub use cause::explain;
pub use earlier::{earlier_builds, without_version};
pub use group::{Group, cause_text, groups, headline, verdict_text};
pub use verdict::{Cause, Missed, Verdict};

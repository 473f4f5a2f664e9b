//! Why a build missed: the comparison of its profile with that of an earlier build. Pure.
//!
//! compare.rs compares two profiles and finds the cause of each miss; cause.rs has the causes that there are; `go_command.rs` knows which flags
//! and settings of a go command are in Go's keys; `known_action.rs` is for a key that the earlier build had too; condition.rs puts a
//! condition that did not hold into words; group.rs takes misses of one cause together and words them; earlier.rs says which earlier
//! builds to compare with.
//!
//! The daemon puts the main cause into a build's log, and `cacheprogctl why` shows all of them. What a profile holds is proto's.

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod cause;
mod compare;
mod condition;
mod earlier;
mod go_command;
mod group;
mod known_action;
#[cfg(test)]
mod tests;

pub use cause::{Cause, Missed, Verdict};
pub use compare::explain;
pub use condition::{list, scope_words};
pub use earlier::{earlier_builds, fetches_modules, without_version};
pub use group::{Group, avoidable, cause_text, groups, headline, main_cause, verdict_text};

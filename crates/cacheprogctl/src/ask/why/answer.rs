//! The answer of `cacheprogctl why`, as its JSON has it. Data alone.

use miss_causes::{Group, Missed};
use proto::control::BuildStatus;
use serde::Serialize;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) build: BuildStatus,
    /// The build that it is compared with.
    pub(crate) earlier: Option<BuildStatus>,
    /// Misses by cause, the most expensive first.
    pub(crate) causes: Vec<Group>,
    pub(crate) missed: Vec<Missed>,
    /// Actions that the profile does not list.
    pub(crate) left_out: u64,
}

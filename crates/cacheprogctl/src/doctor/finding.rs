//! What the doctor found of one thing. Data alone; the JSON of `cacheprogctl doctor --json`.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// It works, but not as well as it could; or it cannot be checked.
    Warn,
    /// Builds get nothing from the cache, or it is not safe.
    Bad,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) what: &'static str,
    pub(crate) level: Level,
    pub(crate) found: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) fix: String,
}

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

/// As it should be.
pub(crate) fn good(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, level: Level::Good, found: found.into(), fix: String::new() }
}

/// Not as good as it could be, and what to do.
pub(crate) fn warn(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { what, level: Level::Warn, found: found.into(), fix: fix.into() }
}

/// Bad, and what to do.
pub(crate) fn bad(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { level: Level::Bad, ..warn(what, found, fix) }
}

//! What was found of one thing: by `cacheprogctl doctor`, whose JSON it is, and by the daemon for its page.

mod of_status;

use serde::Serialize;

pub use of_status::{free_space, of_status};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Good,
    /// It works, but not as well as it could; or it cannot be checked.
    Warn,
    /// Builds get nothing from the cache, or it is not safe.
    Bad,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The thing.
    pub what: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do; empty where nothing has to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

/// As it should be.
#[must_use]
pub fn good(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, level: Level::Good, found: found.into(), fix: String::new() }
}

/// Not as good as it could be, and what to do.
#[must_use]
pub fn warn(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { what, level: Level::Warn, found: found.into(), fix: fix.into() }
}

/// Bad, and what to do.
#[must_use]
pub fn bad(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { level: Level::Bad, ..warn(what, found, fix) }
}

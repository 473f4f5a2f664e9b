//! What a comparison finds: the cause of a miss, how certain it is, and the difference in words. Data alone; the JSON of
//! `cacheprogctl why --json`.

use serde::Serialize;

/// The cause of a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// No profile of an earlier build of this name is kept.
    FirstBuild,
    /// The earlier build had no such package.
    NeverSeen,
    /// Another Go release, or the same release in another directory, or with other programs in it.
    OtherToolchain,
    /// Platform, flags or settings differ.
    OtherFlags,
    /// Compiled in another directory, without -trimpath.
    OtherDirectory,
    /// Its own source changed.
    NewSource,
    /// A package that it imports changed.
    ChangedDependency,
    /// Go's key was known, and what it leaves out is not the same here: a variable, a program, a file that is no Go source.
    OtherCondition,
    /// It is known, and for builds of another user alone.
    NotShared,
    /// It is known, and was withheld to be computed again and compared.
    Withheld,
    /// Outputs of it differed: they are in quarantine.
    Quarantined,
    /// Something that a test read changed.
    TestInputs,
    /// It was shared and is not stored any more.
    Evicted,
    /// It was private to the earlier build.
    Private,
    /// Keyed by mtime: never shared.
    MtimeKeyed,
    /// Go links programs again with any cache program.
    Link,
    /// Asked for, and never put.
    NeverPut,
    /// It belongs to no package, and the earlier build did not ask for it.
    Other,
}

/// The cause of one miss, with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The cause.
    pub cause: Cause,
    /// Whether both profiles prove it. Otherwise it is inferred: no other cause is left.
    pub certain: bool,
    /// The difference, in words.
    pub detail: String,
    /// The deepest changed package and why it changed, where the cause is a dependency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<(String, Box<Self>)>,
}

/// A miss and its cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missed {
    /// The package; empty where the output belongs to none.
    pub path: String,
    /// What the output is, in words.
    pub what: &'static str,
    /// The time of the get, in milliseconds since the build was registered.
    pub at_ms: u32,
    /// Milliseconds from the miss to the put.
    pub cost_ms: u32,
    /// The cause.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// A verdict without a root.
pub(crate) fn verdict(cause: Cause, certain: bool, detail: impl Into<String>) -> Verdict {
    Verdict { cause, certain, detail: detail.into(), root: None }
}

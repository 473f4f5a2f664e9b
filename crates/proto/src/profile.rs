//! A build profile: what one build asked for, by package, and what it was answered. The daemon makes it from a trace and keeps it
//! as JSON; the command line reads it to say why the build missed (crate `miss_causes`).
//!
//! Some names in the JSON are older than the names here: profiles that earlier daemons kept are still read.

use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::control::BuildStatus;
use crate::limits;
use crate::parts::Difference;
use crate::wire::{Command, Toolchain};

/// What one build asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildProfile {
    /// What the build did, in numbers.
    pub build: BuildStatus,
    /// The kinds of go commands. [`Action::session`] is an index into these.
    pub sessions: Vec<Session>,
    /// Compiled packages, in the order in which they were asked for.
    pub packages: Vec<Package>,
    /// Everything else that was asked for or put: tests, vet, module indexes.
    pub others: Vec<Other>,
    /// The conditions of what this build shared under one. [`Action::condition`] is an index into these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<OwnCondition>,
    /// The conditions that it was offered and found not to hold. [`Action::rejection`] is an index into these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<Rejection>,
    /// Actions that are not listed because there are too many.
    pub left_out: u64,
}

impl BuildProfile {
    /// Reads a profile; `None` where the input holds something else.
    #[must_use]
    pub fn read(input: impl Read) -> Option<Self> {
        let mut json = Vec::new();
        input.take(limits::BUILD_PROFILE).read_to_end(&mut json).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// A kind of go command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Session {
    /// Its toolchain.
    pub toolchain: Toolchain,
    /// Its command line, where the client told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// It takes nothing but what has a condition: its flags bring in what Go's keys do not hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_conditional: bool,
}

/// A condition under which a build shared something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCondition {
    /// The text of its scope.
    pub scope: String,
    /// Its digest in hex, the first 8 bytes.
    pub digest: String,
}

/// A condition of an entry that did not hold in a build: of those that were offered for an action the one that is most like what
/// the build has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The text of its scope.
    pub scope: String,
    /// What differs between the two, at most [`Rejection::NAMED`]; empty where it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// How many differences are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
}

impl Rejection {
    /// Most differences that are named: one is the usual number.
    pub const NAMED: usize = 20;
}

/// An action of the build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// The first 8 bytes of its id, in hex.
    pub key: String,
    /// The go command that asked for it first, as an index into [`BuildProfile::sessions`].
    pub session: u16,
    /// The answer to the first get.
    #[serde(rename = "came")]
    pub get: GetOutcome,
    /// The time of the first get, or of the put where there was no get, in milliseconds since the build was registered.
    pub at_ms: u32,
    /// Milliseconds from the miss to the put.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_ms: u32,
    /// The outcome of the build's own put, if it made one.
    #[serde(default, rename = "fate", skip_serializing_if = "Option::is_none")]
    pub put: Option<PutOutcome>,
    /// The condition under which that was shared, as an index into [`BuildProfile::conditions`]; none: under no condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<u16>,
    /// The condition that was offered and did not hold, as an index into [`BuildProfile::rejections`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<u16>,
    /// It missed although an entry was there that is for builds of another user alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_shared: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The answer to a get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GetOutcome {
    /// Nothing that could be served.
    #[default]
    Miss,
    /// An output.
    Hit,
    /// An output under a condition, which the client found to hold.
    HitIf,
    /// An output under a condition that did not hold.
    Rejected,
    /// An output that was withheld, so that the build computes it again and both are compared.
    Withheld,
    /// Only outputs that are in quarantine.
    Quarantined,
    /// There was no get: the build only put it.
    Unasked,
}

impl GetOutcome {
    /// Whether the go command got no output.
    #[must_use]
    pub fn is_miss(self) -> bool {
        matches!(self, Self::Miss | Self::Rejected | Self::Withheld | Self::Quarantined)
    }
}

/// The outcome of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PutOutcome {
    /// Every build in the namespace can use it.
    Shared,
    /// Only this build can use it, as Go's key does not cover the content.
    Private,
    /// Only this build can use it, as the action has another output for other builds.
    Conflict,
    /// It was not stored.
    Refused,
}

/// A compiled package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// The action that compiled it.
    #[serde(flatten)]
    pub action: Action,
    /// The import path. A program's has its directory with it, a test program's the tested package.
    pub path: String,
    /// The toolchain and the platform, as the compiler names them.
    pub go: String,
    /// The content id that packages which import it have in their keys.
    pub content: String,
    /// The compiler's flags, as far as the archive has them.
    pub flags: String,
    /// The directory of its sources, if the code contains it: not with -trimpath.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub directory: String,
    /// A number that changes with the names of its own source files, as far as they contributed code.
    pub files: u64,
    /// It is a package of Go's standard library.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_std: bool,
    /// It was compiled for a test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_test: bool,
    /// It uses cgo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cgo: bool,
    /// Its imports, as indexes into [`BuildProfile::packages`].
    pub imports: Vec<u32>,
    /// How many imports the build did not ask for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown_imports: u32,
}

/// An action that did not compile a package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Other {
    /// The action.
    #[serde(flatten)]
    pub action: Action,
    /// What its output is.
    #[serde(rename = "what")]
    pub kind: OutputKind,
    /// The package, where the output names it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// What an output is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// A module's or package's index, or a coverage profile: keyed by mtime.
    Mtime,
    /// The index of a package of the Go toolchain, which builds share.
    GoIndex,
    /// The list of what a test read.
    TestLog,
    /// What a test printed.
    TestResult,
    /// A program: Go links again with any cache program.
    Link,
    /// Asked for and never put: an action that failed, or one that Go only looks for.
    NeverPut,
    /// Vet's findings, generated C and the like.
    #[default]
    Rest,
}

//! An account of a build: what it asked for, by package, and what came of it. Made of a trace once the build is over, kept for
//! the builds that `status` shows, and compared by `why`.
//!
//! make.rs makes an account, with what packages say of themselves (store: archive.rs), saved.rs keeps accounts on the disk.

mod live;
mod make;
mod saved;

use std::fs::File;
use std::io::Read;

use proto::control::BuildStatus;
use proto::limits;
use serde::{Deserialize, Serialize};

pub(crate) use crate::trace::{Fate, Session};
pub(crate) use live::{Asker, Live};
pub(crate) use make::make;
pub(crate) use saved::Saved;

/// Reads an account; `None` where the file holds something else.
pub(crate) fn read(file: File) -> Option<Account> {
    let mut json = Vec::new();
    file.take(limits::ACCOUNT).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

/// What one build asked for. The JSON of `cacheprogd why --account`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) build: BuildStatus,
    /// Kinds of go commands. Packages and others name theirs by its place here.
    pub(crate) sessions: Vec<Session>,
    /// Compiled packages, in the order in which they were asked for.
    pub(crate) packages: Vec<Package>,
    /// Whatever else was asked for or put: tests, vet, module indexes.
    pub(crate) others: Vec<Other>,
    /// Actions that are not listed, as there are too many.
    pub(crate) left_out: u64,
}

/// An action of the build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Action {
    /// The first 8 bytes of its id, in hex.
    pub(crate) key: String,
    pub(crate) session: u16,
    /// What was answered when it was asked for first.
    pub(crate) came: Came,
    /// When that was, or when it was put, in milliseconds since the build was registered.
    pub(crate) at_ms: u32,
    /// From the miss to the put.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) cost_ms: u32,
    /// What became of the build's own put, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fate: Option<Fate>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Came {
    /// Nothing that could be served.
    #[default]
    Miss,
    Hit,
    /// An output under a condition, which the client found to hold.
    HitIf,
    /// An output under a condition that did not hold.
    Rejected,
    /// It was put without having been asked for.
    Unasked,
}

impl Came {
    /// Whether nothing came of the question.
    pub(crate) fn is_miss(self) -> bool {
        matches!(self, Self::Miss | Self::Rejected)
    }
}

/// A compiled package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Package {
    #[serde(flatten)]
    pub(crate) action: Action,
    /// The import path; of a program and of a test's, the directory or package they belong to comes with it.
    pub(crate) path: String,
    /// The toolchain and the platform, as the compiler names them.
    pub(crate) go: String,
    /// By which dependents know it.
    pub(crate) content: String,
    /// The compiler's flags, as far as it notes them.
    pub(crate) flags: String,
    /// The directory of its sources, if that is in its code: not with -trimpath.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) directory: String,
    /// Its own source files, as far as code of them is in it: a number that changes with their names.
    pub(crate) files: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_std: bool,
    /// Compiled for a test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_test: bool,
    /// C comes into it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_cgo: bool,
    /// What it imports, by place among the packages.
    pub(crate) imports: Vec<u32>,
    /// Imports that the build did not ask for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) unknown_imports: u32,
}

/// What is no package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Other {
    #[serde(flatten)]
    pub(crate) action: Action,
    pub(crate) what: What,
    /// The package, where the output tells.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
}

/// What an output is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    /// A module's or package's index, or a coverage profile: keyed by mtime.
    Mtime,
    /// The index of a package of Go's own, which is everyone's.
    GoIndex,
    /// What a test looked at.
    TestLog,
    /// What a test printed.
    TestResult,
    /// A program: Go links anew with any cache program.
    Link,
    /// Asked for, and never put: what failed, or what Go only looks for.
    NeverPut,
    /// Vet's findings, generated C and the like.
    #[default]
    Rest,
}

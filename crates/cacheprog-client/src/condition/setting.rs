//! What a go command works with, as far as conditions depend on it. Plain data: environment.rs and the parts of `/proc` fill it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::variables::Variables;

/// A go command: its directories, its environment, and how it was called. cmd/go exports what it computed to its cache program
/// (cmd/go/main.go `invokeCmd`, Go 1.21-1.27), so that these are the values that it uses.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The current directory.
    pub(crate) cwd: PathBuf,
    /// All variables.
    pub(crate) variables: Variables,
    pub(crate) gocache: Option<PathBuf>,
    pub(crate) gomodcache: Option<PathBuf>,
    pub(crate) gotmpdir: Option<PathBuf>,
    /// `GOPATH`, a list of directories.
    pub(crate) gopath: Option<OsString>,
    pub(crate) goflags: OsString,
    /// `GOWORK`, if it is set.
    pub(crate) gowork: Option<OsString>,
    pub(crate) goroot: PathBuf,
    /// The whole command line; `None` where it cannot be read.
    pub(crate) arguments: Option<Vec<OsString>>,
    /// Whether neither the command line nor `GOFLAGS` brings in what Go's keys leave out.
    pub(crate) is_clean: bool,
    /// Where a later go command finds what this one read; `None`: nowhere.
    pub(crate) memo: Option<PathBuf>,
    /// How long one look at a scope may take; beyond, it has no condition.
    pub(crate) look_time: Duration,
    /// When the go command began, by the clock that the kernel stamps files with.
    pub(crate) started: SystemTime,
}

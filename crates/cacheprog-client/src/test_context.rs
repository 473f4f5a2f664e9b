//! Where a go command tests, and which paths there are not inputs of its tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::condition::invocation::Invocation;
use crate::condition::is_temporary_name;
use crate::condition::variables::Variables;

/// The directories of a go command, its workspace, and how it was called.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestContext {
    /// The current directory.
    pub(crate) cwd: PathBuf,
    /// `GOWORK`, if it is set.
    pub(crate) gowork: Option<PathBuf>,
    /// Directories for temporary files.
    pub(crate) temporary: Vec<PathBuf>,
    /// Where `go install` puts programs.
    pub(crate) programs: Vec<PathBuf>,
    /// What the go command and its tools write: its caches without the rest of `GOPATH`, where programs are, and telemetry.
    pub(crate) apart: Vec<PathBuf>,
    /// The directory of the Nix build, if this is one.
    pub(crate) top: Option<BuildTop>,
    pub(crate) invocation: Invocation,
    pub(crate) goroot: PathBuf,
    /// The kernel's tables of sockets, if this is a build of Nix.
    pub(crate) net: Option<PathBuf>,
    /// All variables.
    pub(crate) variables: Variables,
    /// Whether reasons are printed.
    pub(crate) is_verbose: bool,
}

/// The directory of a Nix build.
#[derive(Debug, Clone, Default)]
pub(crate) struct BuildTop {
    pub(crate) root: PathBuf,
    /// `/tmp`, where that is another place, since a sandbox has its own; and the build's outputs.
    pub(crate) beside: Vec<PathBuf>,
    /// The names in all of them, as far as they are there, and in temporary directories below them, when the go command started.
    pub(crate) names: BTreeMap<PathBuf, BTreeSet<OsString>>,
}

impl BuildTop {
    /// As it is now, and so as it is to stay.
    pub(crate) fn read(root: PathBuf, outputs: Vec<PathBuf>, temporary: &[PathBuf]) -> Self {
        // Without a sandbox builds lie in /tmp, and others write there.
        let tmp = Some(PathBuf::from("/tmp")).filter(|tmp| !root.starts_with(tmp) && tmp.is_dir());
        let beside: Vec<_> = tmp.into_iter().chain(outputs).collect();
        let is_within = |dir: &&PathBuf| [&root].into_iter().chain(&beside).any(|top| dir.starts_with(top));
        let watched = temporary.iter().filter(is_within).chain([&root]).chain(&beside);
        let names = |dir: &PathBuf| -> BTreeSet<_> {
            fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
        };
        let is_there = |dir: &&PathBuf| fs::symlink_metadata(dir).is_ok();
        let names = watched.filter(is_there).map(|dir| (dir.clone(), names(dir))).collect();
        Self { root, beside, names }
    }

    /// Whether a path was not there when the go command started, as far as it is directly in one of these directories.
    pub(crate) fn is_new(&self, dir: &Path, name: &OsStr) -> bool {
        self.names.get(dir).is_some_and(|names| !names.contains(name))
    }
}

impl TestContext {
    /// The root of the main module; `None` in a workspace, which may have several.
    pub(crate) fn module(&self) -> Option<PathBuf> {
        let root = self.cwd.ancestors().find(|dir| dir.join("go.mod").is_file())?;
        let is_single = match &self.gowork {
            Some(gowork) => gowork.as_os_str() == "off",
            None => !self.cwd.ancestors().any(|dir| dir.join("go.work").exists()),
        };
        is_single.then(|| root.to_owned())
    }

    /// Directories that do not belong to the module, even if they are inside of it. One that the module lies in is none of them.
    pub(crate) fn excluded(&self) -> Vec<PathBuf> {
        let all = self.temporary.iter().chain(&self.apart).chain(&self.programs);
        all.filter(|dir| !self.cwd.starts_with(dir)).cloned().collect()
    }

    /// Whether the go command, or a compiler that it runs, made this name for itself in a temporary directory. A compiler's names may be a source's
    /// too, which was there before.
    pub(crate) fn is_own_temporary(&self, dir: &Path, name: &OsStr) -> bool {
        let was_there = |top: &BuildTop| top.names.get(dir).is_some_and(|names| names.contains(name));
        self.temporary.iter().any(|temporary| temporary == dir)
            && is_of_go(name)
            && (name.as_encoded_bytes().starts_with(b"go-") || !self.top.as_ref().is_some_and(was_there))
    }

    /// Whether the go command itself adds and removes names in a directory, or in one below it: temporary ones, and those around its
    /// caches.
    pub(crate) fn is_busy(&self, dir: &Path) -> bool {
        self.apart.iter().chain(&self.temporary).any(|apart| apart.starts_with(dir))
    }

    /// Whether a path is a temporary directory itself, or is inside of one that a go command made there for itself.
    pub(crate) fn is_temporary(&self, path: &Path) -> bool {
        self.temporary.iter().any(|dir| {
            let Ok(below) = path.strip_prefix(dir) else { return false };
            below.components().next().is_none_or(|first| self.is_own_temporary(dir, first.as_os_str()))
        })
    }
}

/// Whether a go command and the compilers that it runs make this name for themselves in a temporary directory.
pub(crate) fn is_of_go(name: &OsStr) -> bool {
    is_temporary_name(name.as_encoded_bytes())
}

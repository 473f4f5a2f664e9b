//! Where a go command tests, and which paths there are not inputs of its tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::condition::invocation::Invocation;
use crate::condition::variables::Variables;
use crate::condition::{SHARED_MEMORY, is_of_programs, is_temporary_name};

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
    /// What the go command and its tools write: its caches and telemetry.
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
    /// `/tmp` and `/dev/shm`, where these are other places, since a sandbox has its own.
    pub(crate) own_tmp: Vec<PathBuf>,
    pub(crate) outputs: Vec<PathBuf>,
    /// All of them that are there, and the directories below them in which the go command adds names, when it started.
    pub(crate) watched: BTreeMap<PathBuf, Watched>,
}

/// A directory when the go command started.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) names: BTreeSet<OsString>,
    /// With the kind of file.
    pub(crate) mode: u32,
}

impl BuildTop {
    /// As it is now, and so as it is to stay. `temporary` and `apart` are those of a [`TestContext`].
    pub(crate) fn read(root: PathBuf, outputs: Vec<PathBuf>, temporary: &[PathBuf], apart: &[PathBuf]) -> Self {
        // Below /tmp a build is in no sandbox, as far as that can be told, and others write there.
        let tmp: &[&str] = if root.starts_with("/tmp") { &[] } else { &["/tmp", SHARED_MEMORY] };
        let own_tmp: Vec<PathBuf> = tmp.iter().map(PathBuf::from).filter(|dir| dir.is_dir()).collect();
        let tops = || [&root].into_iter().chain(&own_tmp).chain(&outputs);
        let busy = temporary
            .iter()
            .flat_map(|dir| dir.ancestors())
            .chain(apart.iter().flat_map(|dir| dir.ancestors().skip(1)));
        let busy = busy.filter(|dir| tops().any(|top| dir.starts_with(top)));
        let watched =
            busy.chain(tops().map(PathBuf::as_path)).filter_map(|dir| Some((dir.to_owned(), Watched::read(dir)?)));
        let watched = watched.collect();
        Self { root, own_tmp, outputs, watched }
    }

    /// The directories in which a test may leave something for a later phase: the build's own, those for temporary files, and its outputs.
    pub(crate) fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.root].into_iter().chain(&self.own_tmp).chain(&self.outputs)
    }

    /// Whether a path was not there when the go command started, as far as it is directly in one of these directories.
    pub(crate) fn is_new(&self, dir: &Path, name: &OsStr) -> bool {
        self.watched.get(dir).is_some_and(|watched| !watched.names.contains(name))
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

    /// Whether a path is no input of tests wherever it lies: a cache, a program that was installed, and outside of builds a directory for temporary
    /// files, where others write. A directory that the module lies in is none of them.
    pub(crate) fn is_no_input(&self, path: &Path) -> bool {
        let is_one_of = |all: &[PathBuf], path: &Path| all.iter().any(|dir| dir == path) && !self.cwd.starts_with(path);
        let is_for_programs = |path: &Path| is_one_of(&self.programs, path);
        is_one_of(&self.apart, path)
            || (self.top.is_none() && is_one_of(&self.temporary, path))
            || ((is_for_programs(path) || path.parent().is_some_and(is_for_programs))
                && is_of_programs(&self.programs, path))
    }

    /// Whether a path was made since the go command started, or by it, directly in a directory where it adds names.
    pub(crate) fn is_made_since_start(&self, path: &Path) -> bool {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return false };
        self.is_own_temporary(dir, name) || self.top.as_ref().is_some_and(|top| top.is_new(dir, name))
    }

    fn is_for_temporary(&self, dir: &Path) -> bool {
        self.temporary.iter().any(|temporary| temporary == dir)
    }

    /// Whether it is a directory for temporary files, and the module does not lie in it.
    pub(crate) fn is_only_temporary(&self, dir: &Path) -> bool {
        self.is_for_temporary(dir) && !self.cwd.starts_with(dir)
    }

    /// Whether this is a cache, or a directory that a go command makes for itself among temporary ones.
    pub(crate) fn is_apart(&self, dir: &Path, name: &OsStr, path: &Path) -> bool {
        self.apart.iter().any(|apart| apart == path) || (self.is_for_temporary(dir) && is_of_go(name))
    }

    /// Whether the go command, or a compiler that it runs, made this name for itself in a temporary directory. A compiler's names may be a source's
    /// too, which was there before.
    pub(crate) fn is_own_temporary(&self, dir: &Path, name: &OsStr) -> bool {
        let was_there = |top: &BuildTop| top.watched.get(dir).is_some_and(|watched| watched.names.contains(name));
        self.is_for_temporary(dir)
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

impl Watched {
    /// `None` where there is no directory, or it cannot be looked at.
    fn read(dir: &Path) -> Option<Self> {
        let mode = mode(dir)?;
        let names = fs::read_dir(dir).ok()?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>();
        Some(Self { names: names.ok()?, mode })
    }
}

/// The mode of what is there, with its kind.
pub(crate) fn mode(path: &Path) -> Option<u32> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.mode())
}

/// Whether a go command and the compilers that it runs make this name for themselves in a temporary directory.
pub(crate) fn is_of_go(name: &OsStr) -> bool {
    is_temporary_name(name.as_encoded_bytes())
}

//! What lies around a module, and where a path that leaves it leads.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::reference::{Reference, References};
use crate::condition::excluded::Excluded;
use crate::condition::files::Rule;
use crate::condition::paths;

/// What follows from the paths that a module's files name. The later one outranks the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The module's files are all that is read.
    Stays,
    /// The tree's files are.
    Tree,
    /// More than that: there is no condition.
    Leaves,
}

/// See the file's header.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The root of the tree; `None` where there is none.
    pub(crate) tree: Option<&'a Path>,
    pub(crate) goroot: &'a Path,
    pub(crate) excluded: &'a Excluded,
    /// Whether the tree's Go sources count too.
    pub(crate) has_go: bool,
}

impl Surroundings<'_> {
    /// The judgement of all references of a module.
    pub(crate) fn judge(&self, references: &References) -> Verdict {
        references.iter().map(|reference| self.judge_one(reference)).max().unwrap_or(Verdict::Stays)
    }

    fn judge_one(&self, reference: &Reference) -> Verdict {
        match reference {
            Reference::Certain(path) => self.judge_path(path),
            Reference::IfThere(path) if is_absent(path) => Verdict::Stays,
            Reference::IfThere(path) => self.judge_path(path),
            Reference::IfFile(path) if is_absent(path) => Verdict::Stays,
            Reference::IfFile(path) if !self.is_below_tree(path) && path.is_dir() => Verdict::Stays,
            Reference::IfFile(path) => self.judge_path(path),
            Reference::GoSource if self.has_go => Verdict::Tree,
            Reference::GoSource | Reference::TooMany => Verdict::Leaves,
        }
    }

    fn is_below_tree(&self, path: &Path) -> bool {
        self.tree.is_some_and(|tree| path.starts_with(tree))
    }

    /// Where a path leads that is not the module's own.
    pub(crate) fn judge_path(&self, path: &Path) -> Verdict {
        let is_fixed = paths::is_of_system(path)
            || paths::is_in_store(path, &self.excluded.own_outputs)
            || (self.goroot.is_absolute() && path.starts_with(self.goroot));
        match self.tree {
            _ if is_fixed => Verdict::Stays,
            Some(tree) if path.starts_with(tree) && !self.excluded.covers(Rule::Tree, tree, path) => Verdict::Tree,
            _ => Verdict::Leaves,
        }
    }
}

/// What cannot be looked at may be there.
fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|e| matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// The directories of `/` that are not the system's, as paths: what an absolute path in a file may begin with.
pub(crate) fn top_directories(tree: Option<&Path>) -> Vec<Vec<u8>> {
    let entries = fs::read_dir("/").map(|all| all.flatten().map(|entry| entry.path()).collect::<Vec<_>>());
    let of_tree = tree.and_then(|tree| tree.ancestors().filter(|dir| *dir != Path::new("/")).last());
    let all = entries.unwrap_or_default().into_iter().chain(of_tree.map(Path::to_owned));
    let all = all.chain([PathBuf::from(paths::SHARED_MEMORY)]);
    let mut all: Vec<PathBuf> = all.filter(|path| !paths::is_of_system(path) && path != Path::new("/nix")).collect();
    all.sort();
    all.dedup();
    all.into_iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect()
}

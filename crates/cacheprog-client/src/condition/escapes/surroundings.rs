//! What lies around a module, and where a path that leaves it leads.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use proto::control::MOUNTED_CLIENT;

use super::reference::{Reference, References};
use crate::condition::excluded::Excluded;
use crate::condition::files::Rule;
use crate::condition::paths;
use crate::sandbox::is_mounted_here;

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

/// What runs where a package is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// Go's own compiler and assembler.
    Go,
    /// Other programs too, which may be scripts.
    Programs,
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
    /// The root of the module.
    pub(crate) root: &'a Path,
    pub(crate) runs: Runs,
    /// The directories to which links of the module lead.
    pub(crate) linked: &'a [PathBuf],
}

impl Surroundings<'_> {
    /// The judgement of all references of a module.
    pub(crate) fn judge(&self, references: &References) -> Verdict {
        references.iter().map(|reference| self.judge_one(reference)).max().unwrap_or(Verdict::Stays)
    }

    fn judge_one(&self, reference: &Reference) -> Verdict {
        match reference {
            Reference::Asked(path) if is_absent(path) && !self.is_below_tree(path) => Verdict::Stays,
            Reference::Certain(path) | Reference::Asked(path) => self.judge_path(path),
            Reference::IfThere(path) if is_absent(path) => Verdict::Stays,
            Reference::IfThere(path) => self.judge_path(path),
            Reference::IfRun(_) if self.runs == Runs::Go => Verdict::Stays,
            // A go env file that was copied into the tree names the client. What includes or runs it depends on it.
            Reference::IfFile(path) if path == Path::new(MOUNTED_CLIENT) && is_mounted_here() => Verdict::Stays,
            Reference::IfFile(path) | Reference::IfRun(path) => self.judge_file(path),
            Reference::AboveLink(up, names) => {
                self.linked.iter().map(|linked| self.judge_above(linked, *up, names)).max().unwrap_or(Verdict::Stays)
            }
            Reference::Own(path) if is_absent(path) => Verdict::Stays,
            Reference::Own(path) if self.excluded.covers(Rule::Module, self.root, path) => Verdict::Leaves,
            Reference::Own(_) => Verdict::Stays,
            Reference::GoSource if self.has_go => Verdict::Tree,
            Reference::GoSource | Reference::Any => Verdict::Leaves,
        }
    }

    fn judge_file(&self, path: &Path) -> Verdict {
        let is_nothing = is_absent(path) || (!self.is_below_tree(path) && is_for_all(path) && path.is_dir());
        if is_nothing { Verdict::Stays } else { self.judge_path(path) }
    }

    /// Paths above a directory to which a link leads, up to so many levels: the path may go on from a directory below that one.
    fn judge_above(&self, linked: &Path, up: usize, names: &Path) -> Verdict {
        if up == 0 {
            return Verdict::Leaves;
        }
        let above = linked.ancestors().skip(1).take(up).map(|dir| dir.join(names));
        let there = above.filter(|path| !path.starts_with(self.root) && !is_absent(path));
        there.map(|path| self.judge_path(&path)).max().unwrap_or(Verdict::Stays)
    }

    fn is_below_tree(&self, path: &Path) -> bool {
        self.tree.is_some_and(|tree| path.starts_with(tree))
    }

    /// Where a path leads that is not the module's own.
    pub(crate) fn judge_path(&self, path: &Path) -> Verdict {
        let has_dots = path.components().any(|part| part == Component::ParentDir);
        let path = &if has_dots { paths::real(path) } else { path.to_owned() };
        let is_fixed = (paths::is_of_system(path) && path != Path::new(paths::DEVICES))
            || paths::is_in_store(path, &self.excluded.own_outputs)
            || (self.goroot.is_absolute() && path.starts_with(self.goroot));
        match self.tree {
            _ if is_fixed => Verdict::Stays,
            Some(tree) if path.starts_with(tree) && !self.excluded.covers(Rule::Tree, tree, path) => Verdict::Tree,
            _ => Verdict::Leaves,
        }
    }
}

/// Whether it is a directory of `/`, for temporary files, or for what programs of the system write: texts name these without a file in
/// them. Below another one a path may go on in another text: `prefix=/home/me/x`, `-I${prefix}/include`.
fn is_for_all(path: &Path) -> bool {
    path.components().count() <= 2 || path.starts_with("/var") || path == Path::new(paths::SHARED_MEMORY)
}

/// Or not permitted: a compiler is of the same user. What cannot be looked at for another reason may be there.
fn is_absent(path: &Path) -> bool {
    let is_none = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied);
    fs::symlink_metadata(path).is_err_and(|e| is_none(e.kind()))
}

/// The directories of `/` that are not the system's, as paths: what an absolute path in a file may begin with.
pub(crate) fn top_directories(tree: Option<&Path>) -> Vec<Vec<u8>> {
    let entries = fs::read_dir("/").map(|all| all.flatten().map(|entry| entry.path()).collect::<Vec<_>>());
    let of_tree = tree.and_then(|tree| tree.ancestors().filter(|dir| *dir != Path::new("/")).last());
    let all = entries.unwrap_or_default().into_iter().chain(of_tree.map(Path::to_owned));
    let all = all.filter(|path| !paths::is_of_system(path) && path != Path::new("/nix"));
    let mut all: Vec<PathBuf> = all.chain([paths::DEVICES.into()]).collect();
    all.sort();
    all.dedup();
    all.into_iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect()
}

//! The walk through a scope's directories, in the order of names. The stamp of a file or a directory is taken before it is read, and
//! compared afterwards.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use blake3::Hash;

use crate::clock;
use crate::condition::budget::Budget;
use crate::condition::escapes::{FilePlace, Language, Names, Reference, References, Scanner};
use crate::condition::excluded::Excluded;
use crate::condition::stamp::Stamp;

use super::list::{Entry, FileList, Kind};
use super::read;
use super::rule::{FileUse, Rule};

/// Nested directories: the thread that reads has a small stack.
const MAX_DEPTH: usize = 64;

/// Paths that the files of a scope name together, of some 100 bytes each. With more there is no condition.
const MOST_REFERENCES: usize = 10_000;

const NO_HASH: Hash = Hash::from_bytes([0; 32]);

/// What a walk needs besides the root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looking<'a> {
    pub(crate) rule: Rule,
    pub(crate) excluded: &'a Excluded,
    /// What is looked for in texts.
    pub(crate) names: &'a Names,
}

/// Reads the files below `root`, a real path. What `known` has of the same files is not read again. The list is not whole where
/// something has no content (a pipe, a device), is not permitted, changes meanwhile, or leads in a circle, and when the budget is spent.
pub(crate) fn read_list(root: &Path, looking: Looking<'_>, known: Option<&FileList>, budget: &mut Budget) -> LookedAt {
    let list = FileList {
        root: root.to_owned(),
        rule: looking.rule,
        is_whole: false,
        began: clock::now(),
        paths: Vec::new(),
        entries: Vec::new(),
        references: Vec::new(),
    };
    let known = known.filter(|known| known.rule == looking.rule && known.root == root).map(Known::of);
    let roots = vec![root.to_owned()];
    let mut walk = Walk { looking, known, budget, list, read: 0, at: Vec::new(), roots, chain: Vec::new() };
    let is_through = walk.directory(root, Kind::Directory).is_some();
    walk.list.is_whole = is_through && walk.list.has_same_stamps(looking.excluded);
    if !walk.list.is_whole {
        walk.add_rest_of_known();
    }
    LookedAt { list: walk.list, read: walk.read }
}

/// What a walk came to.
#[derive(Debug)]
pub(crate) struct LookedAt {
    /// If it is not whole: what is true of single files, also of those that the walk did not reach; of use as `known`.
    pub(crate) list: FileList,
    /// Files that were read, and not known before.
    pub(crate) read: usize,
}

/// What an earlier list has, by path: entries that were settled when they were read.
struct Known<'a> {
    entries: HashMap<&'a [u8], (usize, &'a Entry)>,
    list: &'a FileList,
}

impl<'a> Known<'a> {
    fn of(list: &'a FileList) -> Self {
        let is_settled = |entry: &Entry| entry.stamp.is_some_and(|stamp| stamp.settled() < list.began);
        let has_content = |kind| matches!(kind, Kind::File | Kind::Watched | Kind::Target | Kind::Cgo);
        let usable = list.iter().enumerate().filter(|(_, (_, entry))| has_content(entry.kind) && is_settled(entry));
        Self { entries: usable.map(|(place, (path, entry))| (path, (place, entry))).collect(), list }
    }

    fn references(&self, place: usize) -> impl Iterator<Item = &'a Reference> {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let start = self.list.references.partition_point(|(of, _)| *of < place);
        self.list.references[start..].iter().take_while(move |(of, _)| *of == place).map(|(_, reference)| reference)
    }
}

pub(super) struct Walk<'a> {
    pub(super) looking: Looking<'a>,
    known: Option<Known<'a>>,
    pub(super) budget: &'a mut Budget,
    list: FileList,
    read: usize,
    /// The path below the root, as it is listed.
    at: Vec<u8>,
    /// The directory that is walked, and those to which links led from there: real paths.
    pub(super) roots: Vec<PathBuf>,
    /// Device and inode of the directories that the walk is in.
    pub(super) chain: Vec<(u64, u64)>,
}

impl Walk<'_> {
    /// Walks through a directory, whose path is real.
    pub(super) fn directory(&mut self, dir: &Path, kind: Kind) -> Option<()> {
        if self.chain.len() >= MAX_DEPTH {
            return None;
        }
        let is_listed = self.looking.excluded.is_temporary(dir);
        let stamp = Stamp::of(&fs::symlink_metadata(dir).ok()?)?;
        // A link led to a directory around this one.
        if self.chain.contains(&(stamp.device, stamp.inode)) {
            return None;
        }
        if is_listed {
            self.add(Kind::Listed, None, self.looking.excluded.names_in(dir)?);
        } else {
            self.add(kind, Some(stamp), NO_HASH);
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir).ok()? {
            self.budget.take_name()?;
            let entry = entry.ok()?;
            let name = entry.file_name();
            if !self.looking.excluded.has(self.looking.rule, dir, &name) {
                entries.push((name, entry.file_type().ok()?));
            }
        }
        if !is_listed && Stamp::of(&fs::symlink_metadata(dir).ok()?)? != stamp {
            return None;
        }
        entries.sort_by(|(one, _), (two, _)| one.cmp(two));
        self.chain.push((stamp.device, stamp.inode));
        for (name, file_type) in entries {
            self.named(dir, &name, file_type)?;
        }
        self.chain.pop();
        Some(())
    }

    fn named(&mut self, dir: &Path, name: &OsString, file_type: FileType) -> Option<()> {
        let length = self.at.len();
        if length > 0 {
            self.at.push(b'/');
        }
        self.at.extend_from_slice(name.as_bytes());
        let path = dir.join(name);
        if file_type.is_dir() {
            self.directory(&path, Kind::Directory)?;
        } else if file_type.is_file() {
            let file_use = self.looking.rule.of_file(name.as_bytes());
            self.file(dir, &path, Kind::File, file_use)?;
        } else if file_type.is_symlink() {
            self.link(dir, name, &path)?;
        } else {
            return None;
        }
        self.at.truncate(length);
        Some(())
    }

    /// A file, or the one behind a link. `dir` is the real directory of the file.
    pub(super) fn file(&mut self, dir: &Path, path: &Path, kind: Kind, file_use: FileUse) -> Option<()> {
        if file_use == FileUse::Nothing {
            return Some(());
        }
        let stamp = Stamp::of(&fs::symlink_metadata(path).ok()?)?;
        if let Some((kind, hash)) = self.known(&stamp, kind) {
            self.add(kind, Some(stamp), hash);
            return Some(());
        }
        self.read += 1;
        if file_use == FileUse::ContentIfConstrained && !read::has_constraint(path, &stamp, self.budget)? {
            self.add(Kind::Watched, Some(stamp), NO_HASH);
            return Some(());
        }
        let is_for_vet = self.looking.rule == Rule::Vet && kind == Kind::File;
        let has_c = match path.extension().map(OsStrExt::as_bytes) {
            Some(b"go") if is_for_vet => read::has_c(path, &stamp, self.budget)?,
            Some(b"swig" | b"swigcxx") => is_for_vet,
            _ => false,
        };
        let kind = if has_c { Kind::Cgo } else { kind };
        let mut references = References::default();
        let root = self.roots.last()?;
        let language = match self.looking.rule {
            Rule::Module | Rule::Tree | Rule::TreeWithGo if path.extension().is_some_and(|ending| ending == "pc") => {
                Some(Language::PkgConfig)
            }
            Rule::Module => Some(Language::Any),
            Rule::Tree | Rule::TreeWithGo => Some(Language::AnyOfTree),
            Rule::Vet | Rule::Toolchain => None,
        };
        let scanner = language
            .filter(|_| !is_of_modules(path))
            .map(|language| Scanner::new(FilePlace { root, dir }, language, self.looking.names, &mut references));
        let hash = read::hash_of(path, &stamp, scanner, self.budget)?;
        let place = u32::try_from(self.list.entries.len()).ok()?;
        if self.list.references.len() < MOST_REFERENCES {
            self.list.references.extend(references.iter().map(|reference| (place, reference.clone())));
        } else if references.iter().next().is_some() {
            self.list.references.push((place, Reference::Any));
        }
        self.add(kind, Some(stamp), hash);
        Some(())
    }

    /// The same file as it was read before, with the paths that it names.
    fn known(&mut self, stamp: &Stamp, kind: Kind) -> Option<(Kind, Hash)> {
        let known = self.known.as_ref()?;
        let (place, entry) = known.entries.get([&self.at[..], b"\0"].concat().as_slice())?;
        let is_same_kind =
            entry.kind == kind || (matches!(entry.kind, Kind::Watched | Kind::Cgo) && kind == Kind::File);
        if !is_same_kind || entry.stamp != Some(*stamp) {
            return None;
        }
        let at = u32::try_from(self.list.entries.len()).ok()?;
        self.list.references.extend(known.references(*place).map(|reference| (at, reference.clone())));
        Some((entry.kind, entry.hash))
    }

    /// Adds the known files that were not reached: each has its own stamp.
    fn add_rest_of_known(&mut self) {
        let Some(known) = self.known.take() else { return };
        let reached: HashSet<Vec<u8>> = self.list.iter().map(|(path, _)| path.to_vec()).collect();
        for (path, (place, entry)) in known.entries.iter().filter(|(path, _)| !reached.contains(**path)) {
            let Ok(at) = u32::try_from(self.list.entries.len()) else { return };
            self.list.references.extend(known.references(*place).map(|reference| (at, reference.clone())));
            self.list.paths.extend_from_slice(path);
            self.list.entries.push(**entry);
        }
    }

    pub(super) fn add(&mut self, kind: Kind, stamp: Option<Stamp>, hash: Hash) {
        self.list.paths.extend_from_slice(&self.at);
        self.list.paths.push(0);
        self.list.entries.push(Entry { kind, stamp, hash });
    }
}

/// Files of Go's modules count, and their paths lead no compiler: `replace x => ../x`.
fn is_of_modules(path: &Path) -> bool {
    let names = ["go.mod", "go.sum", "go.work", "go.work.sum", "modules.txt"];
    names.iter().any(|name| path.file_name().is_some_and(|file| file == *name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::condition::budget::{MAX_TIME, Spent};
    use crate::condition::tree_fixture::TestTree;

    fn enough() -> Budget {
        Budget::new(MAX_TIME)
    }

    fn look(tree: &TestTree, rule: Rule, known: Option<&FileList>, budget: &mut Budget) -> LookedAt {
        let excluded = Excluded::default();
        let looking = Looking { rule, excluded: &excluded, names: &Names::default() };
        read_list(&tree.path("src").canonicalize().unwrap(), looking, known, budget)
    }

    fn read(tree: &TestTree, known: Option<&FileList>, budget: &mut Budget) -> Option<FileList> {
        Some(look(tree, Rule::Module, known, budget).list).filter(|list| list.is_whole)
    }

    #[test]
    fn a_scope_beyond_the_limits_is_given_up() {
        let tree = TestTree::new(&[("src/a.h", "12345678"), ("src/b.h", "1"), ("src/c.go", "package c")]);
        for (names, bytes, is_read) in [(3, 9, true), (2, 9, false), (3, 8, false)] {
            let mut budget = Budget::of(names, bytes);
            assert_eq!(read(&tree, None, &mut budget).is_some(), is_read, "{names} {bytes}");
            assert_eq!(budget.spent(), (!is_read).then_some(Spent::Size));
        }
        let deep = "src/".to_owned() + &"d/".repeat(MAX_DEPTH) + "x.h";
        let tree = TestTree::new(&[(&deep, "")]);
        assert_eq!(read(&tree, None, &mut enough()), None);
    }

    #[test]
    fn what_was_read_before_the_limit_is_not_read_again() {
        let tree = TestTree::new(&[("src/a.h", "12345678"), ("src/b.h", "1234")]);
        let LookedAt { list: mut part, read: _ } = look(&tree, Rule::Module, None, &mut Budget::of(9, 9));
        assert!(!part.is_whole && part.len() == 2, "the directory and one file: {part:?}");
        // As if it had been read later.
        part.began = TestTree::later();
        assert!(!part.is_current(&Excluded::default()), "it is no list for a condition");
        let list = read(&tree, Some(&part), &mut Budget::of(9, 4)).unwrap();
        assert_eq!(list.digest(), read(&tree, None, &mut enough()).unwrap().digest());
        // What was known of files that the next look does not reach is not lost.
        let mut list = list;
        list.began = TestTree::later();
        let LookedAt { list: mut short, read: newly } =
            look(&tree, Rule::Module, Some(&list), &mut Budget::new(Duration::ZERO));
        assert_eq!((short.is_whole, short.len(), newly), (false, 3, 0));
        short.began = list.began;
        assert_eq!(read(&tree, Some(&short), &mut Budget::of(9, 0)).unwrap().digest(), list.digest());
    }

    #[test]
    fn go_sources_with_c_are_found_for_vet() {
        let cgo = "package p\nimport \"C\"\n";
        let files = [("src/a/a.go", cgo), ("src/b/b_linux.go", cgo), ("src/c/c.swig", ""), ("src/d/d_linux.go", "")];
        let tree = TestTree::new(&files);
        let root = tree.path("src").canonicalize().unwrap();
        let mut list = look(&tree, Rule::Vet, None, &mut enough()).list;
        list.began = TestTree::later();
        let again = look(&tree, Rule::Vet, Some(&list), &mut Budget::of(99, 0)).list;
        assert!(again.is_whole);
        for list in [list, again] {
            assert_eq!(list.directories_with_c(), ["a", "b", "c"].map(|name| root.join(name)).into());
        }
    }

    #[test]
    fn what_is_known_and_settled_is_not_read_again() {
        let tree = TestTree::new(&[("src/a.h", "#include \"../../x.h\"\n"), ("src/b.h", "1")]);
        let mut list = read(&tree, None, &mut enough()).unwrap();
        // As if it had been read later.
        list.began = TestTree::later();
        tree.write("src/b.h", "22");
        let again = read(&tree, Some(&list), &mut Budget::of(9, 2)).unwrap();
        assert_ne!(again.digest(), list.digest());
        assert_eq!(again.references(), list.references());
        assert!(again.references().iter().count() > 0);
    }
}

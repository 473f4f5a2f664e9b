//! The data of a module, in one word. It is read once; after that the times of all that was found tell whether it is the same.

use std::ffi::{CStr, OsStr};
use std::fs::{self, DirEntry, Metadata};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use blake3::{Hash, Hasher};
use rustix::fs::{AtFlags, Mode, OFlags, statat};

use crate::clock;
use crate::test_results::content_hash::{Budget, Contents, Stamp, part};

/// Directories in each other: the thread that looks has a small stack.
const DEEPEST: u32 = 64;

/// A module as it was read.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    /// Of all that was found, sources and directories included, below the root and each with a zero at its end.
    paths: Vec<u8>,
    /// Of their stamps.
    stamps: Hash,
    /// From when on another change to any of them would show.
    settled: SystemTime,
    /// When reading began.
    began: SystemTime,
    /// The data: everything below the root but Go's own sources (which are in the keys of what they are compiled to; below
    /// `testdata` they are data), its `vendor` and `.git`, and what is not the module's.
    pub(crate) word: String,
}

impl Tree {
    /// Reads what is below `root` and not in `aside`. `None` where the budget is spent, or something cannot be read or changes
    /// meanwhile.
    pub(crate) fn read(root: &Path, aside: &[PathBuf], contents: &mut Contents, budget: &mut Budget) -> Option<Self> {
        let began = clock::now();
        let mut walk =
            Walk { root, aside, contents, budget, hasher: Hasher::new(), paths: Vec::new(), seen: Seen::new() };
        walk.found(root, &fs::symlink_metadata(root).ok()?)?;
        walk.below(root, DEEPEST, false)?;
        let (word, paths, seen) = (walk.hasher.finalize().to_string(), walk.paths, walk.seen);
        let stamps = seen.hasher.finalize();
        let tree = Self { root: root.to_owned(), paths, stamps, settled: seen.settled, began, word };
        tree.has_same_stamps().then_some(tree)
    }

    /// Whether this is what a look at it would find now.
    pub(crate) fn is_current(&self, root: &Path) -> bool {
        // What changes again before that may show the same time.
        self.root == root && self.settled < self.began && self.has_same_stamps()
    }

    /// Whether nothing of what was found changed after `since`.
    pub(crate) fn is_older(&self, since: SystemTime) -> bool {
        self.settled < since
    }

    /// A name that comes or goes changes the time of its directory.
    fn has_same_stamps(&self) -> bool {
        let (mut seen, mut budget) = (Seen::new(), Budget::new());
        // From the root on, which is looked at as well: that is half of the way to each of them.
        let Ok(root) = rustix::fs::open(&self.root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else {
            return false;
        };
        let all = self.paths.split_inclusive(|&byte| byte == 0).all(|path| {
            let stamp = budget.take_name().and_then(|()| stamp_at(&root, path));
            stamp.map(|stamp| seen.add(stamp)).is_some()
        });
        all && seen.hasher.finalize() == self.stamps
    }
}

/// Of the path, which ends with a zero, or of the directory itself.
fn stamp_at(dir: &OwnedFd, path: &[u8]) -> Option<Stamp> {
    let path = CStr::from_bytes_with_nul(path).ok()?;
    Stamp::of_stat(&statat(dir, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH).ok()?)
}

/// The stamps of all that was seen, in one hash.
struct Seen {
    hasher: Hasher,
    settled: SystemTime,
}

impl Seen {
    fn new() -> Self {
        Self { hasher: Hasher::new(), settled: UNIX_EPOCH }
    }

    fn add(&mut self, stamp: Stamp) {
        stamp.feed(&mut self.hasher);
        self.settled = self.settled.max(stamp.settled());
    }
}

/// A walk through a tree, in the order of names. What is read was looked at before: a change in between shows.
struct Walk<'a> {
    root: &'a Path,
    aside: &'a [PathBuf],
    contents: &'a mut Contents,
    budget: &'a mut Budget,
    hasher: Hasher,
    paths: Vec<u8>,
    seen: Seen,
}

impl Walk<'_> {
    fn below(&mut self, dir: &Path, deeper: u32, is_data: bool) -> Option<()> {
        let mut entries: Vec<_> = fs::read_dir(dir).ok()?.map(Result::ok).collect::<Option<_>>()?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            self.budget.take_name()?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_go_s_own = *dir == *self.root && (name == "vendor" || name == ".git");
            if is_go_s_own || self.aside.contains(&path) {
                continue;
            }
            let metadata = entry.metadata().ok()?;
            self.found(&path, &metadata)?;
            let is_source = !is_data && metadata.is_file() && path.extension().is_some_and(|ending| ending == "go");
            if !is_source {
                self.entry(&name, &path, &metadata)?;
            }
            if metadata.is_dir() {
                self.below(&path, deeper.checked_sub(1)?, is_data || name == "testdata")?;
                part(&mut self.hasher, b"/");
            }
        }
        Some(())
    }

    fn found(&mut self, path: &Path, metadata: &Metadata) -> Option<()> {
        self.paths.extend_from_slice(path.strip_prefix(self.root).ok()?.as_os_str().as_bytes());
        self.paths.push(0);
        self.seen.add(Stamp::of(metadata)?);
        Some(())
    }

    fn entry(&mut self, name: &OsStr, path: &Path, metadata: &Metadata) -> Option<()> {
        part(&mut self.hasher, name.as_encoded_bytes());
        self.hasher.update(&metadata.mode().to_le_bytes());
        if metadata.is_symlink() {
            part(&mut self.hasher, fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
        } else if metadata.is_file() {
            self.contents.content(&mut self.hasher, path, metadata, self.budget)?;
        }
        Some(())
    }
}

//! The digest of a module's data. The module is read once; after that the stamps of all its files show whether it is the same.

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
use crate::digest::add_part;

use super::budget::Budget;
use super::content_hash::ContentHashes;
use crate::condition::stamp::Stamp;

/// Nested directories: the thread that reads has a small stack.
const MAX_DEPTH: u32 = 64;

/// A module as it was read.
#[derive(Debug)]
pub(super) struct ModuleTree {
    root: PathBuf,
    /// The paths of all files, sources and directories included, relative to the root and each with a zero at its end.
    paths: Vec<u8>,
    /// The digest of their stamps.
    stamps: Hash,
    /// From this time on another change to any of them shows another stamp.
    settled: SystemTime,
    /// When reading began.
    began: SystemTime,
    /// The digest of the data: of everything below the root except Go sources (Go's keys have them; below `testdata` they are
    /// data), the root's `vendor` and `.git`, and directories that are not the module's.
    pub(super) digest: String,
}

impl ModuleTree {
    /// Reads what is below `root` and not in `excluded`. `None` where the budget is spent, or a file cannot be read or changes
    /// meanwhile.
    pub(super) fn read(
        root: &Path,
        excluded: &[PathBuf],
        hashes: &mut ContentHashes,
        budget: &mut Budget,
    ) -> Option<Self> {
        let began = clock::now();
        let mut walk =
            Walk { root, excluded, hashes, budget, hasher: Hasher::new(), paths: Vec::new(), stamps: Stamps::new() };
        walk.add_path(root, &fs::symlink_metadata(root).ok()?)?;
        walk.add_directory(root, MAX_DEPTH, false)?;
        let (digest, paths) = (walk.hasher.finalize().to_string(), walk.paths);
        let (stamps, settled) = (walk.stamps.hasher.finalize(), walk.stamps.settled);
        let tree = Self { root: root.to_owned(), paths, stamps, settled, began, digest };
        tree.has_same_stamps().then_some(tree)
    }

    /// Whether a new reading would give the same.
    pub(super) fn is_current(&self, root: &Path) -> bool {
        // A file that changes before it is settled may show the same stamp.
        self.root == root && self.settled < self.began && self.has_same_stamps()
    }

    /// Whether no file changed after `since`.
    pub(super) fn is_older(&self, since: SystemTime) -> bool {
        self.settled < since
    }

    /// A name that is added or removed changes the stamp of its directory.
    fn has_same_stamps(&self) -> bool {
        let (mut stamps, mut budget) = (Stamps::new(), Budget::new());
        // Paths are relative to the root's descriptor: the kernel has only half of each path to walk.
        let Ok(root) = rustix::fs::open(&self.root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else {
            return false;
        };
        let all = self.paths.split_inclusive(|&byte| byte == 0).all(|path| {
            let stamp = budget.take_name().and_then(|()| stamp_at(&root, path));
            stamp.map(|stamp| stamps.add(stamp)).is_some()
        });
        all && stamps.hasher.finalize() == self.stamps
    }
}

/// The stamp of a path, which ends with a zero, or of the directory itself.
fn stamp_at(dir: &OwnedFd, path: &[u8]) -> Option<Stamp> {
    let path = CStr::from_bytes_with_nul(path).ok()?;
    Stamp::of_stat(&statat(dir, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH).ok()?)
}

/// The digest of many stamps.
struct Stamps {
    hasher: Hasher,
    settled: SystemTime,
}

impl Stamps {
    fn new() -> Self {
        Self { hasher: Hasher::new(), settled: UNIX_EPOCH }
    }

    fn add(&mut self, stamp: Stamp) {
        stamp.add_to(&mut self.hasher);
        self.settled = self.settled.max(stamp.settled());
    }
}

/// A walk through a tree, in the order of names. The stamp of a file is taken before it is read, so that a change meanwhile
/// shows.
struct Walk<'a> {
    root: &'a Path,
    excluded: &'a [PathBuf],
    hashes: &'a mut ContentHashes,
    budget: &'a mut Budget,
    hasher: Hasher,
    paths: Vec<u8>,
    stamps: Stamps,
}

impl Walk<'_> {
    fn add_directory(&mut self, dir: &Path, depth_left: u32, is_data: bool) -> Option<()> {
        let mut entries: Vec<_> = fs::read_dir(dir).ok()?.map(Result::ok).collect::<Option<_>>()?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            self.budget.take_name()?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_go_directory = *dir == *self.root && (name == "vendor" || name == ".git");
            if is_go_directory || self.excluded.contains(&path) {
                continue;
            }
            let metadata = entry.metadata().ok()?;
            self.add_path(&path, &metadata)?;
            let is_source =
                !is_data && metadata.is_file() && path.extension().is_some_and(|extension| extension == "go");
            if !is_source {
                self.add_entry(&name, &path, &metadata)?;
            }
            if metadata.is_dir() {
                self.add_directory(&path, depth_left.checked_sub(1)?, is_data || name == "testdata")?;
                add_part(&mut self.hasher, b"/");
            }
        }
        Some(())
    }

    fn add_path(&mut self, path: &Path, metadata: &Metadata) -> Option<()> {
        self.paths.extend_from_slice(path.strip_prefix(self.root).ok()?.as_os_str().as_bytes());
        self.paths.push(0);
        self.stamps.add(Stamp::of(metadata)?);
        Some(())
    }

    fn add_entry(&mut self, name: &OsStr, path: &Path, metadata: &Metadata) -> Option<()> {
        add_part(&mut self.hasher, name.as_encoded_bytes());
        self.hasher.update(&metadata.mode().to_le_bytes());
        if metadata.is_symlink() {
            add_part(&mut self.hasher, fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
        } else if metadata.is_file() {
            self.hashes.add_content(&mut self.hasher, path, metadata, self.budget)?;
        }
        Some(())
    }
}

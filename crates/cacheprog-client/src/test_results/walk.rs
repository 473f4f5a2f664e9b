//! The walk through a tree, in the order of names. The stamp of a file is taken before it is read, so that a change meanwhile shows.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use blake3::Hasher;

use crate::condition::stamp::Stamp;
use crate::condition::{STORE, is_of_nix};
use crate::digest::add_part;

use super::budget::Budget;
use super::content_hash::ContentHashes;
use super::log_files::is_kernel_interface;
use super::random_names::without_random_numbers;

/// Nested directories: the thread that reads has a small stack.
const MAX_DEPTH: u32 = 64;

/// What of a tree counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// A module's data: everything except Go sources (Go's keys have them; below `testdata` they are data) and the root's
    /// `.git`. A library that C of a vendored package links is in no key.
    Data,
    /// Everything, except what Nix leaves in the build's directory.
    All,
}

/// The digest of many stamps.
pub(super) struct Stamps {
    pub(super) hasher: Hasher,
    pub(super) settled: SystemTime,
    pub(super) latest_change: SystemTime,
}

impl Stamps {
    pub(super) fn new() -> Self {
        Self { hasher: Hasher::new(), settled: UNIX_EPOCH, latest_change: UNIX_EPOCH }
    }

    pub(super) fn add(&mut self, stamp: Stamp) {
        stamp.add_to(&mut self.hasher);
        self.settled = self.settled.max(stamp.settled());
        self.latest_change = self.latest_change.max(stamp.latest_change());
    }
}

/// Where a tree begins, and what is not of it.
pub(super) struct TreeBounds<'a> {
    pub(super) root: &'a Path,
    /// Whether a path is not of the tree.
    pub(super) is_excluded: &'a dyn Fn(&Path) -> bool,
    /// Whether other names than those of the tree come and go in a directory: its own stamp does not count.
    pub(super) is_busy: &'a dyn Fn(&Path) -> bool,
    /// Where tests make temporary files, which some leave behind.
    pub(super) temporary: &'a [PathBuf],
}

pub(super) struct Walk<'a> {
    bounds: &'a TreeBounds<'a>,
    extent: Extent,
    hashes: &'a mut ContentHashes,
    budget: &'a mut Budget,
    hasher: Hasher,
    paths: Vec<u8>,
    stamps: Stamps,
    /// Directories to which links lead, by device and inode: each is read once.
    linked: BTreeSet<(u64, u64)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        bounds: &'a TreeBounds<'a>,
        extent: Extent,
        hashes: &'a mut ContentHashes,
        budget: &'a mut Budget,
    ) -> Self {
        let (hasher, paths, stamps, linked) = (Hasher::new(), Vec::new(), Stamps::new(), BTreeSet::new());
        Self { bounds, extent, hashes, budget, hasher, paths, stamps, linked }
    }

    /// The digest, the paths and their stamps.
    pub(super) fn finish(self) -> (String, Vec<u8>, Stamps) {
        (self.hasher.finalize().to_string(), self.paths, self.stamps)
    }

    /// Adds the root, and all below it.
    pub(super) fn add_root(&mut self, metadata: &Metadata) -> Option<()> {
        self.add_path(self.bounds.root, metadata)?;
        self.hasher.update(&metadata.mode().to_le_bytes());
        self.add_directory(self.bounds.root, MAX_DEPTH, self.extent == Extent::All)
    }

    fn add_directory(&mut self, dir: &Path, depth_left: u32, is_data: bool) -> Option<()> {
        let mut entries: Vec<_> = fs::read_dir(dir).ok()?.map(Result::ok).collect::<Option<_>>()?;
        entries.sort_by_key(DirEntry::file_name);
        let is_temporary = self.bounds.temporary.iter().any(|temporary| temporary == dir);
        if is_temporary {
            entries.sort_by_cached_key(without_chance);
        }
        for entry in entries {
            self.budget.take_name()?;
            let (name, path) = (entry.file_name(), entry.path());
            if self.is_left_out(dir, &name) || (self.bounds.is_excluded)(&path) {
                continue;
            }
            let metadata = entry.metadata().ok()?;
            self.add_path(&path, &metadata)?;
            let is_source =
                !is_data && metadata.is_file() && path.extension().is_some_and(|extension| extension == "go");
            if !is_source {
                let name = if is_temporary {
                    without_random_numbers(&name, &metadata).into()
                } else {
                    Cow::Borrowed(name.as_bytes())
                };
                self.add_entry(&name, &path, &metadata, depth_left)?;
            }
            if metadata.is_dir() {
                self.add_directory(&path, depth_left.checked_sub(1)?, is_data || name == "testdata")?;
                add_part(&mut self.hasher, b"/");
            }
        }
        Some(())
    }

    fn is_left_out(&self, dir: &Path, name: &OsStr) -> bool {
        let is_at_root = dir == self.bounds.root;
        match self.extent {
            Extent::Data => is_at_root && name == ".git",
            Extent::All => is_at_root && is_of_nix(name),
        }
    }

    /// Notes a path with its stamp.
    pub(super) fn add_path(&mut self, path: &Path, metadata: &Metadata) -> Option<()> {
        if metadata.is_dir() && (self.bounds.is_busy)(path) {
            return Some(());
        }
        self.paths.extend_from_slice(path.strip_prefix(self.bounds.root).unwrap_or(path).as_os_str().as_bytes());
        self.paths.push(0);
        self.stamps.add(Stamp::of(metadata)?);
        Some(())
    }

    fn add_entry(&mut self, name: &[u8], path: &Path, metadata: &Metadata, depth_left: u32) -> Option<()> {
        add_part(&mut self.hasher, name);
        self.hasher.update(&metadata.mode().to_le_bytes());
        if metadata.is_symlink() {
            add_part(&mut self.hasher, fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
            self.add_linked(path, depth_left)?;
        } else if metadata.is_file() {
            self.hashes.add_content(&mut self.hasher, path, metadata, self.budget)?;
        }
        Some(())
    }

    /// Adds what a link leads to, unless that is counted as it is: a path in the Nix store has one content, and a directory of this
    /// tree is read anyway.
    fn add_linked(&mut self, path: &Path, depth_left: u32) -> Option<()> {
        let Ok(real) = fs::canonicalize(path) else {
            self.hasher.update(b"nothing there");
            return Some(());
        };
        if real.starts_with(STORE) || is_kernel_interface(&real) {
            add_part(&mut self.hasher, real.as_os_str().as_bytes());
            return Some(());
        }
        self.budget.take_name()?;
        let metadata = fs::metadata(&real).ok()?;
        if metadata.is_file() {
            self.add_path(&real, &metadata)?;
            return self.hashes.add_content(&mut self.hasher, &real, &metadata, self.budget);
        }
        let is_read_anyway = real.starts_with(self.bounds.root)
            && !real.ancestors().take_while(|dir| *dir != self.bounds.root).any(|dir| self.is_apart(dir));
        if !metadata.is_dir() || is_read_anyway {
            return metadata.is_dir().then_some(());
        }
        if self.linked.insert((metadata.dev(), metadata.ino())) {
            self.add_path(&real, &metadata)?;
            self.add_directory(&real, depth_left.checked_sub(1)?, true)?;
        }
        add_part(&mut self.hasher, b"/");
        Some(())
    }

    fn is_apart(&self, dir: &Path) -> bool {
        let (parent, name) = (dir.parent().unwrap_or(dir), dir.file_name().unwrap_or_default());
        self.is_left_out(parent, name) || (self.bounds.is_excluded)(dir)
    }
}

/// The order of names in a directory for temporary files: random numbers in them do not count, and sizes part what is else the same.
fn without_chance(entry: &DirEntry) -> (Vec<u8>, u64) {
    let name = entry.file_name();
    match entry.metadata() {
        Ok(metadata) => (without_random_numbers(&name, &metadata), metadata.len()),
        Err(_) => (name.as_bytes().to_vec(), 0),
    }
}

//! The digest of the data of a module, or of a whole tree. It is read once; after that the stamps of all its files show whether it is
//! the same.

use std::ffi::CStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use blake3::Hash;
use rustix::fs::{AtFlags, Mode, OFlags, statat};

use crate::clock;
use crate::condition::stamp::Stamp;

use super::budget::Budget;
use super::content_hash::ContentHashes;
use super::walk::{Extent, Stamps, TreeBounds, Walk};

/// A tree as it was read.
#[derive(Debug)]
pub(super) struct DataTree {
    root: PathBuf,
    /// The paths of all files, sources and directories included, each with a zero at its end: below the root relative to it, others
    /// (to which links lead) absolute.
    paths: Vec<u8>,
    /// The digest of their stamps.
    stamps: Hash,
    /// From this time on another change to any of them shows another stamp.
    settled: SystemTime,
    latest_change: SystemTime,
    /// When reading began.
    began: SystemTime,
    /// The digest of what counts, without directories that are not the tree's.
    pub(super) digest: String,
}

impl DataTree {
    /// Reads what is below the root and not excluded. `None` where the budget is spent, or a file cannot be read or changes
    /// meanwhile.
    pub(super) fn read(
        bounds: &TreeBounds<'_>,
        extent: Extent,
        hashes: &mut ContentHashes,
        budget: &mut Budget,
    ) -> Option<Self> {
        let began = clock::now();
        let mut walk = Walk::new(bounds, extent, hashes, budget);
        let root = bounds.root;
        walk.add_root(&fs::symlink_metadata(root).ok()?)?;
        let (digest, paths, stamps) = walk.finish();
        let Stamps { hasher, settled, latest_change } = stamps;
        let tree =
            Self { root: root.to_owned(), paths, stamps: hasher.finalize(), settled, latest_change, began, digest };
        tree.has_same_stamps().then_some(tree)
    }

    /// Whether a new reading would give the same.
    pub(super) fn is_current(&self, root: &Path) -> bool {
        // A file that changes before it is settled may show the same stamp.
        self.root == root && self.settled < self.began && self.has_same_stamps()
    }

    /// Whether nothing changed at `since` or later.
    pub(super) fn is_older(&self, since: SystemTime) -> bool {
        self.latest_change < since
    }

    /// A name that is added or removed changes the stamp of its directory.
    fn has_same_stamps(&self) -> bool {
        let (mut stamps, mut budget) = (Stamps::new(), Budget::of_tree());
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

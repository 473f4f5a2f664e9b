//! The digest of what is at a path, by content and within a budget. A file is read once: its hash is kept with its stamp.
//! Nothing is known here about lists and tests.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use blake3::{Hash, Hasher};

use crate::clock;
use crate::digest::add_part;

use super::budget::Budget;
use crate::condition::stamp::Stamp;

/// Files whose hashes are kept, of some 100 bytes each. Any further file is read each time.
const MAX_KNOWN: usize = 10_000;

#[expect(clippy::cast_possible_wrap, reason = "the flag is a small positive number")]
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// How a test used a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathUse {
    /// It read the kind, and a file's size.
    Stat,
    /// It read a file's content, or the names in a directory.
    Open,
}

/// The hashes of files that were read.
#[derive(Debug, Default)]
pub(super) struct ContentHashes {
    /// By device and inode.
    known: HashMap<(u64, u64), (SystemTime, Hash)>,
}

impl ContentHashes {
    /// The digest of what a path leads to. `None` where there is none: for a pipe or a device, without permission, or when the
    /// budget is spent; with `since` also for what changed after that time.
    pub(super) fn digest(
        &mut self,
        path: &Path,
        path_use: PathUse,
        since: Option<SystemTime>,
        budget: &mut Budget,
    ) -> Option<String> {
        budget.take_name()?;
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Some("absent".to_owned());
            }
            Err(_) => return None,
        };
        let mut hasher = Hasher::new();
        if metadata.is_symlink() {
            is_older(&metadata, since)?;
            add_part(&mut hasher, fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
        }
        match fs::metadata(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                hasher.update(b"nothing there");
            }
            Err(_) => return None,
            Ok(metadata) if metadata.is_dir() => {
                hasher.update(&metadata.mode().to_le_bytes());
                if path_use == PathUse::Open {
                    is_older(&metadata, since)?;
                    add_listing(&mut hasher, path, since, budget)?;
                }
            }
            // Its content counts for `Stat` as well: size and mode alone do not prove that the test would give the same result.
            Ok(metadata) if metadata.is_file() => {
                is_older(&metadata, since)?;
                self.add_content(&mut hasher, path, &metadata, budget)?;
            }
            Ok(_) => return None,
        }
        Some(hasher.finalize().to_string())
    }

    /// Adds mode, size and content of the file with this metadata.
    pub(super) fn add_content(
        &mut self,
        hasher: &mut Hasher,
        path: &Path,
        metadata: &Metadata,
        budget: &mut Budget,
    ) -> Option<()> {
        budget.take_bytes(metadata.len())?;
        let stamp = Stamp::of(metadata)?;
        let key = (stamp.device, stamp.inode);
        let hash = match self.known.get(&key) {
            Some((changed, hash)) if *changed == stamp.changed => *hash,
            _ => {
                let now = clock::now();
                let hash = read(path, &stamp, metadata.len(), budget.until)?;
                // A file that changes before it is settled may show the same time.
                if stamp.settled() < now && (self.known.len() < MAX_KNOWN || self.known.contains_key(&key)) {
                    self.known.insert(key, (stamp.changed, hash));
                }
                hash
            }
        };
        hasher.update(&metadata.mode().to_le_bytes()).update(&metadata.len().to_le_bytes());
        hasher.update(hash.as_bytes());
        Some(())
    }
}

/// Hashes a file, if it has this stamp before and after.
fn read(path: &Path, stamp: &Stamp, size: u64, until: Instant) -> Option<Hash> {
    // Without waiting, in case that it is a pipe by now.
    let file = File::options().read(true).custom_flags(NONBLOCK).open(path).ok()?;
    let mut hasher = Hasher::new();
    hasher.update_reader(WithDeadline(&file, until).take(size + 1)).ok()?;
    (Stamp::of(&file.metadata().ok()?)? == *stamp).then(|| hasher.finalize())
}

/// `None` if it changed at `since` or later.
fn is_older(metadata: &Metadata, since: Option<SystemTime>) -> Option<()> {
    let Some(since) = since else { return Some(()) };
    Stamp::of(metadata)?.is_before(since).then_some(())
}

/// Adds names, kinds, modes, sizes and targets of links, as a listing of the directory shows them.
fn add_listing(hasher: &mut Hasher, dir: &Path, since: Option<SystemTime>, budget: &mut Budget) -> Option<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).ok()? {
        budget.take_name()?;
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        let size = if metadata.is_dir() { 0 } else { metadata.len() };
        if !metadata.is_dir() {
            is_older(&metadata, since)?;
        }
        let target = if metadata.is_symlink() { fs::read_link(entry.path()).ok()? } else { PathBuf::new() };
        entries.push((entry.file_name(), metadata.mode(), size, target));
    }
    entries.sort();
    for (name, mode, size, target) in entries {
        add_part(hasher, name.as_encoded_bytes());
        hasher.update(&mode.to_le_bytes()).update(&size.to_le_bytes());
        add_part(hasher, target.as_os_str().as_encoded_bytes());
    }
    Some(())
}

/// A file whose reads fail after a deadline.
struct WithDeadline<'a>(&'a File, Instant);

impl Read for WithDeadline<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if Instant::now() < self.1 { self.0.read(into) } else { Err(ErrorKind::TimedOut.into()) }
    }
}

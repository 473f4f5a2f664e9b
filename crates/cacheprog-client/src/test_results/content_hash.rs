//! What is at a path, in one word made of content; within a budget, as others choose the paths. A file is read once: while its
//! inode and its ctime, which nobody can set, are those that it was read with, its hash is known.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use blake3::{Hash, Hasher};
use rustix::fs::Stat;

use crate::clock;

/// Files and names in directories that one look takes in, and the bytes read and the time spent for it. Typical are ten files.
const MOST_NAMES: u32 = 50_000;
const MOST_BYTES: u64 = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(1);

/// Files whose hashes are kept, of some 100 bytes each. Beyond, a file is read each time.
const MOST_KNOWN: usize = 10_000;

/// The kernel's file times lag behind its clock by a tick; and some file systems have them in whole seconds, or every second one
/// (ext4 with small inodes, some of those on a network).
const TICK: Duration = Duration::from_millis(20);
const COARSE: Duration = Duration::from_secs(2);

#[expect(clippy::cast_possible_wrap, reason = "the flag is a small positive number")]
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// What may still be spent.
#[derive(Debug)]
pub(crate) struct Budget {
    names: u32,
    bytes: u64,
    until: Instant,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { names: MOST_NAMES, bytes: MOST_BYTES, until: Instant::now() + MOST_TIME }
    }

    pub(crate) fn take_name(&mut self) -> Option<()> {
        let left = self.names.checked_sub(1);
        self.names = left.unwrap_or(0);
        left.filter(|_| !self.is_late()).map(drop)
    }

    fn take_bytes(&mut self, bytes: u64) -> Option<()> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(0);
        left.map(drop)
    }

    /// Whether there was more to look at than is looked at. What was not read in time may be, the next time.
    pub(crate) fn is_spent(&self) -> bool {
        self.names == 0 || self.bytes == 0
    }

    pub(crate) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// Which file it is, and when it or what is known of it changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    /// By ctime.
    changed: SystemTime,
}

impl Stamp {
    /// `None` for a ctime before 1970.
    pub(crate) fn of(metadata: &Metadata) -> Option<Self> {
        Self::new(metadata.dev(), metadata.ino(), (metadata.ctime(), metadata.ctime_nsec()))
    }

    /// The same.
    pub(crate) fn of_stat(stat: &Stat) -> Option<Self> {
        Self::new(stat.st_dev, stat.st_ino, (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?))
    }

    fn new(device: u64, inode: u64, (seconds, nanoseconds): (i64, i64)) -> Option<Self> {
        let changed = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
        Some(Self { device, inode, changed: UNIX_EPOCH + changed })
    }

    /// From when on another change would surely have another time.
    pub(crate) fn settled(&self) -> SystemTime {
        let is_coarse = self.changed.duration_since(UNIX_EPOCH).is_ok_and(|changed| changed.subsec_nanos() == 0);
        self.changed + if is_coarse { COARSE } else { TICK }
    }

    pub(crate) fn feed(&self, hasher: &mut Hasher) {
        let changed = self.changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        hasher.update(&self.device.to_le_bytes()).update(&self.inode.to_le_bytes());
        hasher.update(&changed.as_nanos().to_le_bytes());
    }
}

/// How a test looked at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// What kind of thing it is, and a file's size.
    Stat,
    /// Its content, or the names in it.
    Open,
}

/// The content of files, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// By device and inode.
    known: HashMap<(u64, u64), (SystemTime, Hash)>,
}

impl Contents {
    /// What a path leads to. `None` for what cannot be told: a pipe or a device, no permission, or the budget is spent; with
    /// `since` also for what changed after that.
    pub(crate) fn word(
        &mut self,
        path: &Path,
        look: Look,
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
            part(&mut hasher, fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
        }
        match fs::metadata(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                hasher.update(b"nothing there");
            }
            Err(_) => return None,
            Ok(metadata) if metadata.is_dir() => {
                hasher.update(&metadata.mode().to_le_bytes());
                if look == Look::Open {
                    is_older(&metadata, since)?;
                    listing(&mut hasher, path, since, budget)?;
                }
            }
            // Its size and mode do not tell whether a test that looked at them would say the same: its content does.
            Ok(metadata) if metadata.is_file() => {
                is_older(&metadata, since)?;
                self.content(&mut hasher, path, &metadata, budget)?;
            }
            Ok(_) => return None,
        }
        Some(hasher.finalize().to_string())
    }

    /// Mode, size and content of the file of which this is known.
    pub(crate) fn content(
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
                // A file that changes again before that may show the same time.
                if stamp.settled() < now && (self.known.len() < MOST_KNOWN || self.known.contains_key(&key)) {
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

/// Hashes a file, if it is and stays the one of this stamp.
fn read(path: &Path, stamp: &Stamp, size: u64, until: Instant) -> Option<Hash> {
    // Not waiting, should it be a pipe by now.
    let file = File::options().read(true).custom_flags(NONBLOCK).open(path).ok()?;
    let mut hasher = Hasher::new();
    hasher.update_reader(Timed(&file, until).take(size + 1)).ok()?;
    (Stamp::of(&file.metadata().ok()?)? == *stamp).then(|| hasher.finalize())
}

/// With `since`: if it did not change after that.
fn is_older(metadata: &Metadata, since: Option<SystemTime>) -> Option<()> {
    let Some(since) = since else { return Some(()) };
    (Stamp::of(metadata)?.settled() < since).then_some(())
}

/// Names, kinds, modes, sizes, and where links lead, as a listing shows them.
fn listing(hasher: &mut Hasher, dir: &Path, since: Option<SystemTime>, budget: &mut Budget) -> Option<()> {
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
        part(hasher, name.as_encoded_bytes());
        hasher.update(&mode.to_le_bytes()).update(&size.to_le_bytes());
        part(hasher, target.as_os_str().as_encoded_bytes());
    }
    Some(())
}

/// A file whose reading ends in time.
struct Timed<'a>(&'a File, Instant);

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if Instant::now() < self.1 { self.0.read(into) } else { Err(ErrorKind::TimedOut.into()) }
    }
}

/// Length and bytes, so that no two lists of parts hash alike.
pub(crate) fn part(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_settled_when_a_change_would_show_in_its_time() {
        let settled = |nanoseconds| Stamp::new(1, 1, (10, nanoseconds)).unwrap().settled();
        let at = |milliseconds| UNIX_EPOCH + Duration::from_millis(milliseconds);
        assert_eq!(settled(500_000_000), at(10_520));
        // One that changes at 10.9 s has the time 10 s, and so has what changes after it was read.
        assert_eq!(settled(0), at(12_000));
    }
}

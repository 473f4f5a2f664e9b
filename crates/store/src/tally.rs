//! How much is in a store: kept while it is written to, so that nobody has to walk, and set right by every survey.
//!
//! The file `counts` says it to the next process: `<entries> <objects> <bytes>`, one line. Whoever has looked at everything
//! writes it; who keeps count takes over what another wrote there.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::place::write_small;
use crate::survey::Survey;
use crate::{Disk, Store, StoreError};

/// What common file systems give a file at least (ext4, xfs, btrfs by default): a record takes as much as a small object.
const BLOCK: u64 = 4096;

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Census {
    /// Records.
    pub entries: u64,
    /// Objects.
    pub objects: u64,
    /// What both take on a disk, in bytes: each file rounded up to blocks of 4 KiB.
    pub bytes: u64,
}

impl Census {
    /// This and that.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            objects: self.objects.saturating_add(other.objects),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// This without that, or nothing where that is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_sub(other.entries),
            objects: self.objects.saturating_sub(other.objects),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// What a file of `size` bytes takes on the disk.
#[must_use]
pub fn on_disk(size: u64) -> u64 {
    size.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// What a record takes on the disk.
pub const RECORD: u64 = BLOCK;

/// A file by its inode and mtime: it is always replaced as a whole.
type Identity = (u64, i64, i64);

/// The count of one process.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Held for one sum; guards nothing else.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    census: Census,
    /// The file as this process last read or wrote it.
    seen: Option<Identity>,
    /// The count when another process began to sweep, if that is known.
    then: Option<Census>,
}

impl Tally {
    /// Something was published: a record where there was none, an object where there was none.
    pub(crate) fn add(&self, entry: bool, object: Option<u64>) {
        if !entry && object.is_none() {
            return;
        }
        let census = &mut self.state().census;
        if entry {
            census.entries += 1;
            census.bytes += RECORD;
        }
        if let Some(size) = object {
            census.objects += 1;
            census.bytes = census.bytes.saturating_add(on_disk(size));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner) // three numbers: none is half changed
    }
}

impl Store {
    /// How much is in the store, as far as this process knows: what the file said, and what this process has put since.
    #[must_use]
    pub fn census(&self) -> Census {
        self.tally.state().census
    }

    /// How much is in the store, by a look at everything.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn take_census(&self) -> Result<Census, StoreError> {
        let survey = Survey::take(&self.layout, u64::MAX, &mut || true)?; // of times it counts none
        Ok(survey.map(|survey| survey.census).unwrap_or_default())
    }

    /// A sweep begins in another process. [`Store::settle_counts`] says what came of it.
    pub fn expect_counts(&self) {
        let mut state = self.tally.state();
        state.then = Some(state.census);
    }

    /// That sweep is over. Where it says what it took away, that is taken off what this process has counted; `None` takes over
    /// what it found, with what was put here since it was begun (what it has seen of that counts twice, until the next one).
    pub fn settle_counts(&self, gone: Option<Census>) {
        let path = counts(self.root());
        let theirs = read(&path);
        let mut state = self.tally.state();
        let mine = state.census;
        let then = state.then.take().unwrap_or(mine);
        let census = match (gone, theirs) {
            (None, Some((theirs, _))) => theirs.plus(mine.minus(then)),
            (gone, _) => mine.minus(gone.unwrap_or_default()),
        };
        *state = State { census, seen: theirs.map(|(_, identity)| identity), then: None };
    }

    /// Takes over what another process wrote to `counts` since this one last did. False where nobody ever counted.
    pub fn read_counts(&self) -> bool {
        let path = counts(self.root());
        let Some(identity) = identity(&path) else { return false };
        let is_known = |state: &State| state.seen == Some(identity) || state.then.is_some();
        if is_known(&self.tally.state()) {
            return true;
        }
        let Some((census, identity)) = read(&path) else { return false };
        let mut state = self.tally.state();
        if !is_known(&state) {
            *state = State { census, seen: Some(identity), then: None };
        }
        true
    }

    /// Writes down how much is here, for the next process.
    ///
    /// # Errors
    /// A [`StoreError`] where the file cannot be written.
    pub fn write_counts(&self) -> Result<(), StoreError> {
        if self.tally.state().then.is_some() {
            return Ok(()); // what the sweep is about to write is better
        }
        let Census { entries, objects, bytes } = self.census();
        let path = counts(self.root());
        write_small(self.layout.tmp(), &path, format!("{entries} {objects} {bytes}\n").as_bytes(), 0)?;
        self.tally.state().seen = identity(&path);
        Ok(())
    }

    /// As [`Store::write_counts`], where that must not be what keeps space from being freed: a count that cannot be written is
    /// removed, so that the next process makes its own.
    pub(crate) fn note_counts(&self) {
        if self.write_counts().is_err() {
            drop(fs::remove_file(counts(self.root())));
        }
    }

    /// A survey has found this.
    pub(crate) fn set_census(&self, census: Census) {
        self.tally.state().census = census;
    }
}

impl Disk {
    /// The disk on which a directory is.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let (inodes, free_inodes) = (stat.f_files, stat.f_favail);
        Ok(Self { size: bytes(stat.f_blocks), free: bytes(stat.f_bavail), inodes, free_inodes })
    }
}

fn counts(root: &Path) -> PathBuf {
    root.join("counts")
}

/// What `counts` says, and which one it is.
fn read(path: &Path) -> Option<(Census, Identity)> {
    let identity = identity(path)?;
    Some((parse(&fs::read_to_string(path).ok()?)?, identity))
}

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec()))
}

fn parse(text: &str) -> Option<Census> {
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Census { entries: next()?, objects: next()?, bytes: next()? })
}

//! How much is in a store: kept while it is written to, so that nobody has to walk, and set right by every survey.
//!
//! The file `counts` says it to the next process: `<entries> <objects> <bytes>`, one line. Whoever has looked at everything
//! writes it; who keeps count takes over what another wrote there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::place::write_small;
use crate::survey::Survey;
use crate::{Store, StoreError};

/// What common file systems give a file at least (ext4, xfs, btrfs by default): a record takes as much as a small object.
const BLOCK: u64 = 4096;

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Census {
    /// Records.
    pub entries: u64,
    /// Objects.
    pub objects: u64,
    /// What both take on a disk, in bytes: each file rounded up to blocks of 4 KiB.
    pub bytes: u64,
}

/// What a file of `size` bytes takes on the disk.
pub(crate) fn on_disk(size: u64) -> u64 {
    size.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// What a record takes on the disk.
pub(crate) const RECORD: u64 = BLOCK;

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
    seen: Option<(u64, i64, i64)>,
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
        let survey = Survey::take(&self.layout, &mut || true)?;
        Ok(survey.map(|survey| survey.census).unwrap_or_default())
    }

    /// A sweep begins in another process: what is put from now on is not in what that will write.
    pub fn expect_counts(&self) {
        let mut state = self.tally.state();
        state.then = Some(state.census);
    }

    /// Takes over what another process wrote to `counts` since this one last did. False where nobody ever counted.
    pub fn read_counts(&self) -> bool {
        let path = counts(self.root());
        let Some(identity) = identity(&path) else { return false };
        if self.tally.state().seen == Some(identity) {
            return true;
        }
        let Some(theirs) = fs::read_to_string(&path).ok().and_then(|text| parse(&text)) else { return false };
        let mut state = self.tally.state();
        let mine = state.census;
        let then = state.then.take().unwrap_or(mine);
        let census = Census {
            entries: theirs.entries + mine.entries.saturating_sub(then.entries),
            objects: theirs.objects + mine.objects.saturating_sub(then.objects),
            bytes: theirs.bytes.saturating_add(mine.bytes.saturating_sub(then.bytes)),
        };
        *state = State { census, seen: Some(identity), then: None };
        true
    }

    /// Writes down how much is here, for the next process.
    ///
    /// # Errors
    /// A [`StoreError`] where the file cannot be written.
    pub fn write_counts(&self) -> Result<(), StoreError> {
        let Census { entries, objects, bytes } = self.census();
        let path = counts(self.root());
        write_small(&self.layout.tmp(), &path, format!("{entries} {objects} {bytes}\n").as_bytes(), 0)?;
        self.tally.state().seen = identity(&path);
        Ok(())
    }

    /// A survey has found this.
    pub(crate) fn set_census(&self, census: Census) {
        self.tally.state().census = census;
    }
}

fn counts(root: &Path) -> PathBuf {
    root.join("counts")
}

fn identity(path: &Path) -> Option<(u64, i64, i64)> {
    fs::metadata(path).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec()))
}

fn parse(text: &str) -> Option<Census> {
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Census { entries: next()?, objects: next()?, bytes: next()? })
}

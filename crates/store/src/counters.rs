//! How much is in a store: counted while it is written to, so that no process has to walk through it, and corrected by every scan.
//!
//! The file `counts` hands it to the next process: `<entries> <objects> <bytes>`, one line. A process that has scanned everything
//! writes it; a process that counts takes over what another one wrote there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::object::atomic_rename::write_small;

/// What common file systems give a file at least (ext4, xfs, btrfs by default): a record takes as much as a small object.
const BLOCK: u64 = 4096;

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// Records.
    pub entries: u64,
    /// Objects.
    pub objects: u64,
    /// What both take on a disk, in bytes: each file rounded up to blocks of 4 KiB.
    pub bytes: u64,
}

impl Totals {
    /// The sum.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            objects: self.objects.saturating_add(other.objects),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// The difference, and zero where the other is larger.
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
pub const RECORD_BYTES: u64 = BLOCK;

/// A file by its inode and mtime: it is always replaced as a whole.
type Identity = (u64, i64, i64);

/// What one process has counted of a store.
#[derive(Debug)]
pub struct Counters {
    layout: Layout,
    /// Held for one sum; guards nothing else.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    totals: Totals,
    /// The file as this process last read or wrote it.
    seen: Option<Identity>,
    /// The totals when another process began to sweep, if that is known.
    before_sweep: Option<Totals>,
}

impl Counters {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, state: Mutex::default() }
    }

    /// How much is in the store, as far as this process knows: what the file said, and what this process has put since.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.state().totals
    }

    /// A record was published where there was none.
    pub(crate) fn add_entry(&self) {
        let totals = &mut self.state().totals;
        totals.entries += 1;
        totals.bytes += RECORD_BYTES;
    }

    /// An object of this size was published where there was none; `None`: there was one.
    pub(crate) fn add_object(&self, size: Option<u64>) {
        let Some(size) = size else { return };
        let totals = &mut self.state().totals;
        totals.objects += 1;
        totals.bytes = totals.bytes.saturating_add(on_disk(size));
    }

    /// A sweep begins in another process. [`Counters::end_sweep_elsewhere`] says what came of it.
    pub fn begin_sweep_elsewhere(&self) {
        let mut state = self.state();
        state.before_sweep = Some(state.totals);
    }

    /// That sweep is over. Where it is known what it removed, that is subtracted from what this process has counted; `None` takes over
    /// what it found, with what was put here since it was begun (what it has seen of that counts twice, until the next one).
    pub fn end_sweep_elsewhere(&self, removed: Option<Totals>) {
        let theirs = read(&self.layout.counts_file());
        let mut state = self.state();
        let mine = state.totals;
        let before_sweep = state.before_sweep.take().unwrap_or(mine);
        let totals = match (removed, theirs) {
            (None, Some((theirs, _))) => theirs.plus(mine.minus(before_sweep)),
            (removed, _) => mine.minus(removed.unwrap_or_default()),
        };
        *state = State { totals, seen: theirs.map(|(_, identity)| identity), before_sweep: None };
    }

    /// Takes over what another process wrote to `counts` since this one last did. False where there is no such file.
    pub fn reload(&self) -> bool {
        let path = self.layout.counts_file();
        let Some(identity) = identity(&path) else { return false };
        let is_known = |state: &State| state.seen == Some(identity) || state.before_sweep.is_some();
        if is_known(&self.state()) {
            return true;
        }
        let Some((totals, identity)) = read(&path) else { return false };
        let mut state = self.state();
        if !is_known(&state) {
            *state = State { totals, seen: Some(identity), before_sweep: None };
        }
        true
    }

    /// Writes down how much is here, for the next process.
    ///
    /// # Errors
    /// A [`StoreError`] where the file cannot be written.
    pub fn save(&self) -> Result<(), StoreError> {
        if self.state().before_sweep.is_some() {
            return Ok(()); // what the sweep is about to write is better
        }
        let Totals { entries, objects, bytes } = self.totals();
        let path = self.layout.counts_file();
        write_small(self.layout.tmp(), &path, format!("{entries} {objects} {bytes}\n").as_bytes(), 0)?;
        self.state().seen = identity(&path);
        Ok(())
    }

    /// Takes over what a scan has found and writes it down. That must not be what keeps space from being freed: totals that cannot
    /// be written are removed, so that the next process counts for itself.
    pub(crate) fn correct(&self, totals: Totals) {
        self.state().totals = totals;
        if self.save().is_err() {
            drop(fs::remove_file(self.layout.counts_file()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // three numbers: none is half changed
    }
}

/// The content of `counts`, and which file it is.
fn read(path: &Path) -> Option<(Totals, Identity)> {
    let identity = identity(path)?;
    Some((parse(&fs::read_to_string(path).ok()?)?, identity))
}

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec()))
}

fn parse(text: &str) -> Option<Totals> {
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Totals { entries: next()?, objects: next()?, bytes: next()? })
}

//! A look at everything in a store, in little memory: some 70 bytes an entry. An entry is the file of an action, which may name
//! several outputs: it goes as a whole.

use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use proto::{ActionId, OutputId};

use crate::actions::{Actions, names, subdirectories};
use crate::evict::GRACE;
use crate::layout::{Layout, fan_out};
use crate::tally::{Census, RECORD, on_disk};
use crate::verify::note;
use crate::{Kind, Record, StoreError};

/// What eviction needs to know of an entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) action: ActionId,
    /// Its first output.
    pub(crate) output: Output,
    /// Those under further conditions, if there are any: their place in [`Survey::others`], counted from 1.
    pub(crate) others: Option<NonZeroU32>,
    /// Last use, in seconds since 1970: until 2106.
    pub(crate) used: u32,
    pub(crate) cost_ms: u32,
    /// Goes first: see [`Kind::Mtime`].
    pub(crate) is_junk: bool,
    /// Its file has another time than `used`: one that is ahead.
    pub(crate) was_ahead: bool,
}

/// A look at a million entries has that many in memory: see the budget in docs/explanation/performance.md.
const _: () = assert!(size_of::<Entry>() <= 64);

/// An output as an entry names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    /// By [`key`].
    pub(crate) key: u64,
    pub(crate) size: u64,
}

impl Output {
    pub(crate) fn of(record: &Record) -> Self {
        Self { key: key(&record.output), size: record.size }
    }
}

impl Entry {
    /// Seconds since the last use.
    pub(crate) fn age(&self, now: u64) -> u64 {
        now.saturating_sub(u64::from(self.used))
    }
}

/// A time of a file that is so far ahead is of a clock that was: it tells nothing. Less is what a look takes.
pub(crate) const AHEAD: Duration = Duration::from_secs(3600);

/// What a last use that tells nothing counts for: older than what is used today, and it grows older from then on.
const UNKNOWN_USE: u64 = 24 * 3600;

/// Whether a time is of a clock that was ahead. Both in seconds since 1970.
pub(crate) fn is_ahead(time: u64, now: u64) -> bool {
    time > now.saturating_add(AHEAD.as_secs())
}

/// The last use of an entry, of which its file says this.
pub(crate) fn last_use(said: u64, now: u64) -> u64 {
    if is_ahead(said, now) { now.saturating_sub(UNKNOWN_USE) } else { said.min(now) }
}

/// The first bytes of an output's id: among a million outputs two have the same ones once in 40 million stores, and then an
/// object stays for longer than it should, or is lost and made again.
pub(crate) fn key(output: &OutputId) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&output.0[..8]);
    u64::from_be_bytes(first)
}

/// One directory of records.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) dir: PathBuf,
    pub(crate) entries: Vec<Entry>,
}

/// Where an entry stands in a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) shelf: u32,
    pub(crate) entry: u32,
}

/// An object that no entry names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unnamed {
    pub(crate) output: OutputId,
    pub(crate) size: u64,
    /// Last change, in seconds since 1970: also a link to it.
    changed: u64,
}

impl Unnamed {
    /// Whether nobody can be about to name it, or have been told its path within `spare`.
    pub(crate) fn is_left(&self, now: u64, spare: Duration) -> bool {
        is_ahead(self.changed, now) || now.saturating_sub(self.changed) > GRACE.max(spare).as_secs()
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) shelves: Vec<Shelf>,
    /// When it was taken, in seconds since 1970.
    now: u64,
    /// Of entries with several outputs those after the first.
    pub(crate) others: Vec<Vec<Output>>,
    /// The outputs that entries name, sorted, each once; and whether its object is there.
    outputs: Vec<u64>,
    is_there: Vec<bool>,
    pub(crate) unnamed: Vec<Unnamed>,
    /// Records that say nothing.
    pub(crate) damaged: Vec<PathBuf>,
    /// What could not be read: nobody knows what it names.
    pub(crate) errors: Vec<String>,
    pub(crate) census: Census,
}

impl Survey {
    /// Looks at everything; `None` if it was told to stop.
    pub(crate) fn take(layout: &Layout, now: u64, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Self>, StoreError> {
        let mut survey = Self { now, ..Self::default() };
        for namespace in subdirectories(&layout.all_records())? {
            let records = Actions::new(namespace.clone(), layout.tmp().to_owned(), 0);
            for dir in subdirectories(&namespace)? {
                if !go_on() {
                    return Ok(None);
                }
                survey.shelve(&records, dir)?;
            }
        }
        survey.index_outputs();
        for dir in subdirectories(&layout.objects())? {
            if !go_on() {
                return Ok(None);
            }
            for name in names(&dir)? {
                let Ok(output) = name.parse::<OutputId>() else { continue }; // none of ours
                if !is_in_its_place(&dir, &name) || survey.found(key(&output)) {
                    continue;
                }
                // One that went away meanwhile does not count.
                if let Ok(metadata) = fs::symlink_metadata(dir.join(&name)) {
                    let changed = u64::try_from(metadata.ctime()).unwrap_or(0);
                    survey.unnamed.push(Unnamed { output, size: metadata.len(), changed });
                }
            }
        }
        survey.count();
        if !survey.errors.is_empty() {
            survey.unnamed.clear(); // in doubt nothing goes
        }
        Ok(Some(survey))
    }

    fn shelve(&mut self, records: &Actions, dir: PathBuf) -> Result<(), StoreError> {
        let names = names(&dir)?;
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let Ok(action) = name.parse::<ActionId>() else { continue }; // none of ours
            if !is_in_its_place(&dir, &name) {
                continue;
            }
            match records.look(&action) {
                Ok(Some((lines, used))) => {
                    let used = used.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                    entries.extend(self.entry_of(action, &lines.records, used));
                }
                Ok(None) => {} // went away meanwhile
                Err(StoreError::DamagedRecord { path }) => self.damaged.push(path),
                Err(e) => note(&mut self.errors, &e),
            }
        }
        self.shelves.push(Shelf { dir, entries });
        Ok(())
    }

    /// `None` where there is no record.
    fn entry_of(&mut self, action: ActionId, records: &[Record], used: u64) -> Option<Entry> {
        let (first, others) = records.split_first()?;
        let cost_ms = records.iter().map(|record| record.cost_ms).max().unwrap_or(0);
        let mut entry = Entry {
            action,
            output: Output::of(first),
            others: None,
            used: u32::try_from(last_use(used, self.now)).unwrap_or(u32::MAX),
            cost_ms: u32::try_from(cost_ms).unwrap_or(u32::MAX),
            is_junk: records.iter().all(|record| record.kind == Kind::Mtime),
            was_ahead: is_ahead(used, self.now),
        };
        if !others.is_empty() {
            self.others.push(others.iter().map(Output::of).collect());
            entry.others = u32::try_from(self.others.len()).ok().and_then(NonZeroU32::new);
        }
        Some(entry)
    }

    /// All outputs of an entry.
    pub(crate) fn outputs(&self, entry: &Entry) -> impl Iterator<Item = Output> {
        let others = entry.others.and_then(|n| self.others.get(n.get() as usize - 1));
        std::iter::once(entry.output).chain(others.into_iter().flatten().copied())
    }

    /// What an entry and its outputs take on the disk, if no other entry has them.
    pub(crate) fn bytes(&self, entry: &Entry) -> u64 {
        self.outputs(entry).map(|output| on_disk(output.size)).sum::<u64>() + RECORD
    }

    /// Whether these are the records that were seen.
    pub(crate) fn is_of(&self, entry: &Entry, records: &[Record]) -> bool {
        self.outputs(entry).eq(records.iter().map(Output::of))
    }

    pub(crate) fn index_outputs(&mut self) {
        self.outputs = self.all_outputs().map(|output| output.key).collect();
        self.outputs.sort_unstable();
        self.outputs.dedup();
        self.outputs.shrink_to_fit();
        self.is_there = vec![false; self.outputs.len()];
    }

    /// An object is there. False if no entry names it.
    pub(crate) fn found(&mut self, output: u64) -> bool {
        let named = self.outputs.binary_search(&output);
        named.map(|n| self.is_there[n] = true).is_ok()
    }

    pub(crate) fn count(&mut self) {
        let mut counted = vec![false; self.outputs.len()];
        let mut census = Census::default();
        for entry in self.entries() {
            census.entries += 1;
            census.bytes += RECORD;
            for output in self.outputs(entry) {
                if let Some(n) = self.object_of(output).filter(|&n| !counted[n]) {
                    counted[n] = true;
                    census.objects += 1;
                    census.bytes = census.bytes.saturating_add(on_disk(output.size));
                }
            }
        }
        for unnamed in &self.unnamed {
            census.objects += 1;
            census.bytes += on_disk(unnamed.size);
        }
        self.census = census;
    }

    /// All entries with their places.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Place, &Entry)> {
        (0..).zip(&self.shelves).flat_map(|(shelf, entries)| {
            (0..).zip(&entries.entries).map(move |(entry, is)| (Place { shelf, entry }, is))
        })
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.shelves.iter().flat_map(|shelf| &shelf.entries)
    }

    fn all_outputs(&self) -> impl Iterator<Item = Output> {
        self.entries().map(|entry| entry.output).chain(self.others.iter().flatten().copied())
    }

    /// The entry at a place of this survey.
    pub(crate) fn entry(&self, place: Place) -> &Entry {
        &self.shelves[place.shelf as usize].entries[place.entry as usize]
    }

    /// The directory of records in which a place is.
    pub(crate) fn dir(&self, place: Place) -> &Path {
        &self.shelves[place.shelf as usize].dir
    }

    /// Where an output stands among all, if its object is there.
    pub(crate) fn object_of(&self, output: Output) -> Option<usize> {
        self.outputs.binary_search(&output.key).ok().filter(|&n| self.is_there[n])
    }

    /// Whether an object of the entry is there.
    pub(crate) fn has_object(&self, entry: &Entry) -> bool {
        self.outputs(entry).any(|output| self.object_of(output).is_some())
    }

    /// How many times entries name each object.
    pub(crate) fn users(&self) -> Vec<u32> {
        let mut users = vec![0; self.outputs.len()];
        for n in self.all_outputs().filter_map(|output| self.object_of(output)) {
            users[n] += 1;
        }
        users
    }

    /// How many objects are left without a name, and their bytes.
    pub(crate) fn unnamed_files(&self, now: u64, spare: Duration) -> (u64, u64) {
        let left = self.unnamed.iter().filter(|object| object.is_left(now, spare));
        left.fold((0, 0), |(files, bytes), object| (files + 1, bytes + on_disk(object.size)))
    }

    /// For tests: an object that is gone.
    #[cfg(test)]
    pub(crate) fn lose(&mut self, output: u64) {
        let n = self.outputs.binary_search(&output).unwrap();
        self.is_there[n] = false;
    }
}

/// Whether a file is where layout.rs has it: one that is elsewhere is none of ours.
fn is_in_its_place(dir: &Path, name: &str) -> bool {
    dir.parent().is_some_and(|above| fan_out(above, name).parent() == Some(dir))
}

//! A scan: a look at everything in a store, in little memory: some 70 bytes an entry. An entry is the file of an action, which may
//! name several outputs: it goes as a whole. Nothing is changed here.

use std::collections::HashSet;
use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use proto::{ActionId, Output, OutputId};

use crate::counters::{RECORD_BYTES, Totals, on_disk};
use crate::dirs::{names, names_and_inodes, subdirectories};
use crate::error::{StoreError, keep_error};
use crate::evict::amount::Amount;
use crate::format::kind::Kind;
use crate::format::layout::{Layout, fan_out};
use crate::format::namespace::Partition;
use crate::format::record::Record;
use crate::record_dir::RecordDir;

/// An object younger than this may be about to get its entry.
pub(crate) const OBJECT_GRACE: Duration = Duration::from_secs(600);

/// What eviction needs to know of an entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) action: ActionId,
    /// Its first output.
    pub(crate) output: CompactOutput,
    /// Those under further conditions, if there are any: where they are in [`Scan::others`], counted from 1.
    pub(crate) others: Option<NonZeroU32>,
    /// Last use, in seconds since 1970: until 2106.
    pub(crate) used: u32,
    pub(crate) cost_ms: u32,
    /// It is removed first: see [`Kind::Mtime`].
    pub(crate) is_low_priority: bool,
    /// The time of its file is ahead, and not `used`.
    pub(crate) was_ahead: bool,
}

/// A scan of a million entries has that many in memory: see the budget in docs/explanation/performance.md.
const _: () = assert!(size_of::<Entry>() <= 64);

/// An output as an entry names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CompactOutput {
    /// By [`key`].
    pub(crate) key: u64,
    pub(crate) size: u64,
}

impl CompactOutput {
    pub(crate) fn of(record: &Record) -> Self {
        Self { key: key(&record.output.id), size: record.output.size }
    }
}

impl Entry {
    /// Seconds since the last use.
    pub(crate) fn age(&self, now: u64) -> u64 {
        now.saturating_sub(u64::from(self.used))
    }
}

/// A file's time that is farther ahead was set by a clock that was ahead, and is ignored. A scan itself takes less than this.
pub(crate) const AHEAD: Duration = Duration::from_secs(3600);

/// The age that an entry has whose last use is ignored: older than what is used today, and it grows older from then on.
const UNKNOWN_USE: u64 = 24 * 3600;

/// Whether a time was set by a clock that was ahead. Both in seconds since 1970.
pub(crate) fn is_ahead(time: u64, now: u64) -> bool {
    time > now.saturating_add(AHEAD.as_secs())
}

/// The last use of an entry whose file has this mtime.
pub(crate) fn last_use(mtime: u64, now: u64) -> u64 {
    if is_ahead(mtime, now) { now.saturating_sub(UNKNOWN_USE) } else { mtime.min(now) }
}

/// The first bytes of an output's id. Two of a million outputs have the same ones in one of 40 million stores; then an object stays
/// for longer than it should, or is lost and made again.
pub(crate) fn key(output: &OutputId) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&output.0[..8]);
    u64::from_be_bytes(first)
}

/// Whether another name leads to a file. Some file systems have no inode numbers of their own, or the same ones in two places.
fn has_links(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.nlink() > 1)
}

/// The inodes of what live builds have links to: the outputs that they were given, and those of their tables. What cannot be read, or
/// goes away meanwhile, holds nothing.
fn held_inodes(layout: &Layout) -> HashSet<u64> {
    let builds = subdirectories(&layout.builds()).unwrap_or_default();
    let dirs = builds.iter().flat_map(|build| ["view/o", "view/p"].map(|dir| build.join(dir)));
    dirs.filter_map(|dir| names_and_inodes(&dir).ok()).flatten().map(|(_, inode)| inode).collect()
}

/// One directory of records.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) dir: PathBuf,
    pub(crate) partition: Partition,
    pub(crate) entries: Vec<Entry>,
}

/// Which entry of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryIndex {
    pub(crate) shard: u32,
    pub(crate) entry: u32,
}

/// An object that no entry names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnnamedObject {
    pub(crate) output: Output,
    /// Last change, in seconds since 1970. Making a link to it is a change too.
    changed: u64,
}

impl UnnamedObject {
    /// Whether no put can be about to name it, and its path was not given out within `grace`.
    pub(crate) fn is_abandoned(&self, now: u64, grace: Duration) -> bool {
        is_ahead(self.changed, now) || now.saturating_sub(self.changed) > OBJECT_GRACE.max(grace).as_secs()
    }
}

/// The result of a scan.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) shards: Vec<Shard>,
    /// When it was taken, in seconds since 1970.
    now: u64,
    /// Of entries with several outputs those after the first.
    pub(crate) others: Vec<Vec<CompactOutput>>,
    /// The outputs that entries name, sorted, each once; and whether its object is there.
    outputs: Vec<u64>,
    is_present: Vec<bool>,
    /// Whether a live build has a link to it: then its bytes stay on the disk until that build ends.
    is_held: Vec<bool>,
    pub(crate) unnamed: Vec<UnnamedObject>,
    /// Files of records that are damaged.
    pub(crate) damaged: Vec<PathBuf>,
    /// What could not be read: it is not known what it names.
    pub(crate) errors: Vec<String>,
    pub(crate) totals: Totals,
}

impl Scan {
    /// Looks at everything; `None` if it was to stop.
    pub(crate) fn take(layout: &Layout, now: u64, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Self>, StoreError> {
        let mut scan = Self { now, ..Self::default() };
        let mut namespaces = subdirectories(&layout.all_records())?;
        namespaces.sort_unstable(); // those of a partition side by side
        for namespace in namespaces {
            let records = RecordDir::new(namespace.clone(), layout.tmp().to_owned(), 0);
            let partition = Partition::of_namespace(&namespace);
            for dir in subdirectories(&namespace)? {
                if !go_on() {
                    return Ok(None);
                }
                scan.shard(&records, (dir, partition))?;
            }
        }
        scan.index_outputs();
        let held = held_inodes(layout);
        for dir in subdirectories(&layout.objects())? {
            if !go_on() {
                return Ok(None);
            }
            for (name, inode) in names_and_inodes(&dir)? {
                let Ok(output) = name.parse::<OutputId>() else { continue }; // not ours
                if !is_where_it_belongs(&dir, &name)
                    || scan.mark_present(key(&output), held.contains(&inode) && has_links(&dir.join(&name)))
                {
                    continue;
                }
                // One that went away meanwhile does not count.
                if let Ok(metadata) = fs::symlink_metadata(dir.join(&name)) {
                    let changed = u64::try_from(metadata.ctime()).unwrap_or(0);
                    let output = Output { id: output, size: metadata.len() };
                    scan.unnamed.push(UnnamedObject { output, changed });
                }
            }
        }
        scan.count();
        if !scan.errors.is_empty() {
            scan.unnamed.clear(); // they may be named by what could not be read
        }
        Ok(Some(scan))
    }

    fn shard(&mut self, records: &RecordDir, (dir, partition): (PathBuf, Partition)) -> Result<(), StoreError> {
        let names = names(&dir)?;
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let Ok(action) = name.parse::<ActionId>() else { continue }; // not ours
            if !is_where_it_belongs(&dir, &name) {
                continue;
            }
            match records.read_with_last_use(&action) {
                Ok(Some((lines, used))) => {
                    let used = used.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                    entries.extend(self.entry_of(action, &lines.records, used));
                }
                Ok(None) => {} // went away meanwhile
                Err(StoreError::DamagedRecord { path }) => self.damaged.push(path),
                Err(e) => keep_error(&mut self.errors, &e),
            }
        }
        self.shards.push(Shard { dir, partition, entries });
        Ok(())
    }

    /// `None` where there is no record.
    fn entry_of(&mut self, action: ActionId, records: &[Record], used: u64) -> Option<Entry> {
        let (first, others) = records.split_first()?;
        let cost_ms = records.iter().map(|record| record.cost_ms).max().unwrap_or(0);
        let mut entry = Entry {
            action,
            output: CompactOutput::of(first),
            others: None,
            used: u32::try_from(last_use(used, self.now)).unwrap_or(u32::MAX),
            cost_ms: u32::try_from(cost_ms).unwrap_or(u32::MAX),
            is_low_priority: records.iter().all(|record| record.kind == Kind::Mtime),
            was_ahead: is_ahead(used, self.now),
        };
        if !others.is_empty() {
            self.others.push(others.iter().map(CompactOutput::of).collect());
            entry.others = u32::try_from(self.others.len()).ok().and_then(NonZeroU32::new);
        }
        Some(entry)
    }

    /// All outputs of an entry.
    pub(crate) fn outputs(&self, entry: &Entry) -> impl Iterator<Item = CompactOutput> {
        let others = entry.others.and_then(|n| self.others.get(n.get() as usize - 1));
        std::iter::once(entry.output).chain(others.into_iter().flatten().copied())
    }

    /// What an entry and its outputs take on the disk, if no other entry has them.
    pub(crate) fn bytes(&self, entry: &Entry) -> u64 {
        self.outputs(entry).map(|output| on_disk(output.size)).sum::<u64>() + RECORD_BYTES
    }

    /// Whether these are the records that were seen.
    pub(crate) fn is_unchanged(&self, entry: &Entry, records: &[Record]) -> bool {
        self.outputs(entry).eq(records.iter().map(CompactOutput::of))
    }

    pub(crate) fn index_outputs(&mut self) {
        self.outputs = self.all_outputs().map(|output| output.key).collect();
        self.outputs.sort_unstable();
        self.outputs.dedup();
        self.outputs.shrink_to_fit();
        self.is_present = vec![false; self.outputs.len()];
        self.is_held = self.is_present.clone();
    }

    /// An object is there, and held by a live build or not. False if no entry names it.
    pub(crate) fn mark_present(&mut self, output: u64, is_held: bool) -> bool {
        let named = self.outputs.binary_search(&output);
        named.map(|n| (self.is_present[n], self.is_held[n]) = (true, is_held)).is_ok()
    }

    /// Whether the disk gets an object's space back when it is removed from the store.
    pub(crate) fn frees_space(&self, object: usize) -> bool {
        !self.is_held[object]
    }

    pub(crate) fn count(&mut self) {
        let mut counted = vec![false; self.outputs.len()];
        let mut totals = Totals::default();
        for entry in self.entries() {
            totals.entries += 1;
            totals.bytes += RECORD_BYTES;
            for output in self.outputs(entry) {
                if let Some(n) = self.object_of(output).filter(|&n| !counted[n]) {
                    counted[n] = true;
                    totals.objects += 1;
                    totals.bytes = totals.bytes.saturating_add(on_disk(output.size));
                }
            }
        }
        for unnamed in &self.unnamed {
            totals.objects += 1;
            totals.bytes += on_disk(unnamed.output.size);
        }
        self.totals = totals;
    }

    /// All entries with their indices.
    pub(crate) fn indexed_entries(&self) -> impl Iterator<Item = (EntryIndex, &Entry)> {
        (0..).zip(&self.shards).flat_map(|(shard, entries)| {
            (0..).zip(&entries.entries).map(move |(entry, is)| (EntryIndex { shard, entry }, is))
        })
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.shards.iter().flat_map(|shard| &shard.entries)
    }

    fn all_outputs(&self) -> impl Iterator<Item = CompactOutput> {
        self.entries().map(|entry| entry.output).chain(self.others.iter().flatten().copied())
    }

    /// The entry with an index of this scan.
    pub(crate) fn entry(&self, index: EntryIndex) -> &Entry {
        &self.shards[index.shard as usize].entries[index.entry as usize]
    }

    /// The directory of records in which an entry is.
    pub(crate) fn dir(&self, index: EntryIndex) -> &Path {
        &self.shards[index.shard as usize].dir
    }

    /// The partition of an entry.
    pub(crate) fn partition(&self, index: EntryIndex) -> Partition {
        self.shards[index.shard as usize].partition
    }

    /// All that is there.
    pub(crate) fn amount(&self) -> Amount {
        let Totals { entries, objects, bytes } = self.totals;
        Amount { bytes, files: entries + objects, entries }
    }

    /// How many objects are named, each of which [`Scan::object_of`] numbers.
    pub(crate) fn objects(&self) -> usize {
        self.outputs.len()
    }

    /// Where an output stands among all, if its object is there.
    pub(crate) fn object_of(&self, output: CompactOutput) -> Option<usize> {
        self.outputs.binary_search(&output.key).ok().filter(|&n| self.is_present[n])
    }

    /// Whether an object of the entry is there.
    pub(crate) fn has_object(&self, entry: &Entry) -> bool {
        self.outputs(entry).any(|output| self.object_of(output).is_some())
    }

    /// How many times entries name each object.
    pub(crate) fn reference_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.outputs.len()];
        for n in self.all_outputs().filter_map(|output| self.object_of(output)) {
            counts[n] += 1;
        }
        counts
    }

    /// How many objects are abandoned without a name, and their bytes.
    pub(crate) fn abandoned(&self, now: u64, grace: Duration) -> (u64, u64) {
        let abandoned = self.unnamed.iter().filter(|object| object.is_abandoned(now, grace));
        abandoned.fold((0, 0), |(files, bytes), object| (files + 1, bytes + on_disk(object.output.size)))
    }

    /// For tests: an object that is gone.
    #[cfg(test)]
    pub(crate) fn mark_absent(&mut self, output: u64) {
        let n = self.outputs.binary_search(&output).unwrap();
        self.is_present[n] = false;
    }
}

/// How much is in a store.
pub(crate) fn count(layout: &Layout) -> Result<Totals, StoreError> {
    let scan = Scan::take(layout, u64::MAX, &mut || true)?; // times do not matter here
    Ok(scan.map(|scan| scan.totals).unwrap_or_default())
}

/// Whether a file is where layout.rs has it: one that is elsewhere is not ours.
fn is_where_it_belongs(dir: &Path, name: &str) -> bool {
    dir.parent().is_some_and(|above| fan_out(above, name).parent() == Some(dir))
}

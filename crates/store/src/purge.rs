//! Removing what somebody points at, beside whoever reads and writes: entries that were put by a build, or before a time, or all.
//!
//! As in sweep.rs an entry goes before its object, and the object only if no entry that stays names it.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::{ActionId, BuildId, OutputId};

use crate::actions::{Actions, names, subdirectories};
use crate::survey::{AHEAD, key};
use crate::sweep::is_unchanged;
use crate::tally::{RECORD, on_disk};
use crate::verify::note;
use crate::{Record, Store, StoreError, Unwanted};

/// What is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Everything.
    All,
    /// What these builds put first.
    WrittenBy(Vec<BuildId>),
    /// What was last put before this.
    Before(SystemTime),
}

impl Which {
    fn holds(&self, record: &Record) -> bool {
        match self {
            Self::All => true,
            Self::WrittenBy(builds) => record.origin.build.is_some_and(|build| builds.contains(&build)),
            Self::Before(time) => record.time < *time,
        }
    }
}

/// What went, or would go.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Purged {
    /// Entries that were looked at.
    pub seen: u64,
    /// Entries that went.
    pub entries: u64,
    /// Objects that went.
    pub objects: u64,
    /// What both took on the disk.
    pub bytes: u64,
    /// What could not be read or removed, the first ten. The rest went.
    pub errors: Vec<String>,
}

impl Store {
    /// Removes the entries, and the objects that only they name. With [`Unwanted::Leave`] it only says what would go. `seen`
    /// is told now and then how many entries were looked at.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn purge(
        &self,
        which: &Which,
        now: SystemTime,
        what: Unwanted,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Purged, StoreError> {
        // Of everything nothing is spared: whoever says so knows that no go command runs.
        let spares = if *which == Which::All { Duration::ZERO } else { self.spares() };
        let used_before = now.checked_sub(spares).unwrap_or(now);
        let began = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let removes = what == Unwanted::Remove;
        let not_ahead = now + AHEAD;
        let mut purge = Purge { store: self, removes, used_before, not_ahead, purged: Purged::default() };
        let (mut doomed, mut named) = (Vec::new(), HashSet::new());
        for namespace in subdirectories(&self.layout.all_records())? {
            let records = Actions::new(namespace.clone(), self.layout.tmp().to_owned(), 0);
            for dir in subdirectories(&namespace)? {
                purge.shelf(&records, &dir, which, (&mut doomed, &mut named))?;
                seen(purge.purged.seen);
            }
        }
        doomed.sort_unstable();
        doomed.dedup();
        for (output, size) in doomed.into_iter().filter(|(output, _)| !named.contains(&key(output))) {
            let object = self.layout.object(&output);
            if is_unchanged(&object, began) && purge.remove(&object) {
                purge.purged.objects += 1;
                purge.purged.bytes += on_disk(size);
            }
        }
        if purge.removes {
            let census = self.take_census()?;
            self.set_census(census);
            self.note_counts();
        }
        Ok(purge.purged)
    }
}

struct Purge<'a> {
    store: &'a Store,
    removes: bool,
    /// What was used since stays.
    used_before: SystemTime,
    /// But not what a clock that was ahead has used.
    not_ahead: SystemTime,
    purged: Purged,
}

impl Purge<'_> {
    /// One directory of records: removes those that are to go, and notes what the others name.
    fn shelf(
        &mut self,
        records: &Actions,
        dir: &Path,
        which: &Which,
        (doomed, named): (&mut Vec<(OutputId, u64)>, &mut HashSet<u64>),
    ) -> Result<(), StoreError> {
        for name in names(dir)? {
            let Ok(action) = name.parse() else { continue }; // none of ours
            match records.look(&action) {
                Ok(Some((lines, used))) => {
                    self.purged.seen += lines.records.len() as u64;
                    let is_spared = used > self.used_before && used <= self.not_ahead;
                    let (go, stay): (Vec<_>, Vec<_>) =
                        lines.records.into_iter().partition(|record| !is_spared && which.holds(record));
                    named.extend(stay.iter().map(|record| key(&record.output)));
                    if go.is_empty() || !self.remove_records(records, &action, &go) {
                        named.extend(go.iter().map(|record| key(&record.output)));
                        continue;
                    }
                    self.purged.entries += go.len() as u64;
                    self.purged.bytes += if stay.is_empty() { RECORD } else { 0 };
                    doomed.extend(go.iter().map(|record| (record.output, record.size)));
                }
                Ok(None) => {}                              // went away meanwhile
                Err(StoreError::DamagedRecord { .. }) => {} // names nothing; a sweep removes it
                Err(e) => {
                    note(&mut self.purged.errors, &e);
                    self.removes &= *which == Which::All; // nobody knows what it names
                }
            }
        }
        Ok(())
    }

    /// Whether these records of an action are gone, or would be.
    fn remove_records(&mut self, records: &Actions, action: &ActionId, go: &[Record]) -> bool {
        if !self.removes {
            return true;
        }
        let gone = records.keep(action, |record| !go.contains(record));
        gone.inspect_err(|e| note(&mut self.purged.errors, e)).is_ok()
    }

    /// Whether it is gone, or would be.
    fn remove(&mut self, path: &Path) -> bool {
        if !self.removes {
            return true;
        }
        match fs::remove_file(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => false, // somebody else did
            Err(e) => {
                note(&mut self.purged.errors, &StoreError::at("removing", path)(e));
                false
            }
            Ok(()) => {
                debug_assert!(path.starts_with(self.store.root()));
                true
            }
        }
    }
}

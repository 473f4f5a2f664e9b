//! The purge: removes the entries that a filter matches (put by a build, for a user, before a time, or all), beside programs that read and
//! write the store.
//!
//! As in sweep.rs an entry goes before its object, and the object only if no entry that stays names it.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::{ActionId, BuildId, Output, SigningKey};

use crate::counters::{RECORD_BYTES, on_disk};
use crate::dirs::{names, subdirectories};
use crate::dry_run::Mode;
use crate::error::{StoreError, keep_error};
use crate::evict::scan::{AHEAD, key};
use crate::evict::sweep::{grace, is_unchanged};
use crate::format::layout::Layout;
use crate::format::namespace::Partition;
use crate::format::record::Record;
use crate::object::integrity_mtime::bump_ctime;
use crate::quarantine::{Builds, forget_accepted};
use crate::record_dir::RecordDir;

/// Which entries a purge removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurgeFilter {
    /// Everything.
    All,
    /// What these builds put first.
    WrittenBy(Vec<BuildId>),
    /// What was copied from layers.
    OfLayers,
    /// What came from another machine, signed by one of these keys. Also what was used today: only its object stays for a while.
    SignedBy(Vec<SigningKey>),
    /// What is for builds of this user alone.
    User(u32),
    /// What was last put before this.
    Before(SystemTime),
    /// What is in quarantine: the next output that is put is shared again.
    Quarantined,
}

impl PurgeFilter {
    /// Whether a record goes that is in this partition.
    fn matches(&self, record: &Record, partition: Partition) -> bool {
        match self {
            Self::All => true,
            Self::User(uid) => [partition, record.origin.partition].contains(&Partition::User(*uid)),
            Self::WrittenBy(builds) => record.origin.build.is_some_and(|build| builds.contains(&build)),
            Self::OfLayers => record.origin.is_of_layer(),
            Self::SignedBy(keys) => record.origin.key.is_some_and(|key| keys.contains(&key)),
            Self::Before(time) => record.time < *time,
            Self::Quarantined => record.is_quarantined,
        }
    }
}

/// What went, or would go.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Purged {
    /// Entries that were looked at. As everywhere an entry is one, also where it has several outputs.
    pub seen: u64,
    /// Entries of which an output went.
    pub entries: u64,
    /// Objects that went.
    pub objects: u64,
    /// What both took on the disk.
    pub bytes: u64,
    /// Live builds to which some of it was exposed: they end with what they made of it. Their short ids.
    pub given_to: Vec<String>,
    /// What could not be read or removed, the first ten. The rest went.
    pub errors: Vec<String>,
}

/// Removes what the filter matches. The second value is whether anything may have been removed.
pub(crate) fn purge(
    layout: &Layout,
    filter: &PurgeFilter,
    (now, mode): (SystemTime, Mode),
    progress: &mut dyn FnMut(u64),
) -> Result<(Purged, bool), StoreError> {
    // `All` has no grace: the person who asks for it knows that no go command runs.
    let grace = if *filter == PurgeFilter::All { Duration::ZERO } else { grace(layout) };
    let used_before = now.checked_sub(grace).unwrap_or(now);
    let began = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let not_ahead = now + AHEAD;
    let (victims, named) = (Vec::new(), HashSet::new());
    let (partition, purged) = (Partition::Common, Purged::default());
    let has_unread = false;
    let mut purge =
        Purge { layout, filter, mode, partition, used_before, not_ahead, victims, named, has_unread, purged };
    let walked = purge.records(progress);
    if mode == Mode::Apply {
        purge.forget_in_live_builds(); // also of what went before an error
    }
    walked?;
    purge.objects(began);
    Ok((purge.purged, mode == Mode::Apply))
}

struct Purge<'a> {
    /// The state directory: nothing outside of it is removed.
    layout: &'a Layout,
    filter: &'a PurgeFilter,
    mode: Mode,
    /// That of the records that are looked at.
    partition: Partition,
    /// Entries that were used since then stay.
    used_before: SystemTime,
    /// Except those whose last use was set by a clock that was ahead.
    not_ahead: SystemTime,
    /// The outputs of entries that went.
    victims: Vec<Output>,
    /// What entries that stay name, by [`key`].
    named: HashSet<u64>,
    /// A record could not be read: what it names is not known, so every object stays.
    has_unread: bool,
    purged: Purged,
}

impl Purge<'_> {
    fn records(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
        for namespace in subdirectories(&self.layout.all_records())? {
            let records = RecordDir::new(namespace.clone(), self.layout.tmp().to_owned(), 0);
            self.partition = Partition::of_namespace(&namespace);
            for dir in subdirectories(&namespace)? {
                self.shard(&records, &dir)?;
                progress(self.purged.seen);
            }
        }
        Ok(())
    }

    /// One directory of records: removes those that are to go, and notes what the others name.
    fn shard(&mut self, records: &RecordDir, dir: &Path) -> Result<(), StoreError> {
        for name in names(dir)? {
            let Ok(action) = name.parse() else { continue }; // not ours
            match records.read_with_last_use(&action) {
                Ok(Some((lines, used))) => self.entry(records, &action, (lines.records, used)),
                Ok(None) => {}                              // went away meanwhile
                Err(StoreError::DamagedRecord { .. }) => {} // names nothing; a sweep removes it
                Err(e) => {
                    keep_error(&mut self.purged.errors, &e);
                    self.has_unread = true;
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, records: &RecordDir, action: &ActionId, (known, used): (Vec<Record>, SystemTime)) {
        self.purged.seen += u64::from(!known.is_empty());
        let is_recent = used > self.used_before && used <= self.not_ahead;
        let (filter, partition) = (self.filter, self.partition);
        let is_spared = is_recent && !matches!(filter, PurgeFilter::SignedBy(_));
        let (go, stay): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|record| !is_spared && filter.matches(record, partition));
        self.named.extend(stay.iter().map(|record| key(&record.output.id)));
        if is_recent && self.mode == Mode::Apply {
            // A go command may have been given its path: by the new ctime a sweep leaves the object for as long as that may last.
            go.iter().for_each(|record| bump_ctime(&self.layout.object(&record.output.id)));
        }
        if go.is_empty() || !self.remove_records(records, action, &go) {
            self.named.extend(go.iter().map(|record| key(&record.output.id)));
            return;
        }
        self.purged.entries += 1;
        self.purged.bytes += if stay.is_empty() { RECORD_BYTES } else { 0 };
        self.victims.extend(go.iter().map(|record| record.output));
        if is_recent {
            self.named.extend(go.iter().map(|record| key(&record.output.id)));
        }
    }

    /// All live builds ask again for what they accepted: a purge that was killed may have removed records before this one, and nothing
    /// says which.
    fn forget_in_live_builds(&mut self) {
        let outputs = self.victims.iter().map(|output| output.id).collect();
        let (builds, error) = forget_accepted(self.layout, &outputs, Builds::All);
        self.purged.given_to = builds.into_iter().map(BuildId::short).collect();
        error.iter().for_each(|e| keep_error(&mut self.purged.errors, e));
    }

    /// Removes the objects that only entries that went have named.
    fn objects(&mut self, began: Duration) {
        let (mut victims, named) = (std::mem::take(&mut self.victims), std::mem::take(&mut self.named));
        victims.sort_unstable();
        victims.dedup();
        if self.has_unread && *self.filter != PurgeFilter::All {
            return; // a sweep removes them when all records can be read
        }
        for Output { id, size } in victims.into_iter().filter(|output| !named.contains(&key(&output.id))) {
            let object = self.layout.object(&id);
            if is_unchanged(&object, began) && self.remove(&object) {
                self.purged.objects += 1;
                self.purged.bytes += on_disk(size);
            }
        }
    }

    /// Whether these records of an action are gone, or would be.
    fn remove_records(&mut self, records: &RecordDir, action: &ActionId, go: &[Record]) -> bool {
        if self.mode == Mode::DryRun {
            return true;
        }
        let gone = records.retain(action, |record| !go.contains(record));
        gone.inspect_err(|e| keep_error(&mut self.purged.errors, e)).is_ok()
    }

    /// Whether it is gone, or would be.
    fn remove(&mut self, path: &Path) -> bool {
        if self.mode == Mode::DryRun {
            return true;
        }
        match fs::remove_file(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => false, // another process did
            Err(e) => {
                keep_error(&mut self.purged.errors, &StoreError::at("removing", path)(e));
                false
            }
            Ok(()) => {
                debug_assert!(path.starts_with(self.layout.root()));
                true
            }
        }
    }
}

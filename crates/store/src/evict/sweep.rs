//! The sweep: removes what plan.rs has decided on, beside programs that read and write the store.
//!
//! The rule to keep: an entry goes before its object, and only if it was not used since the scan. What was exposed to a build stays
//! readable to it, as its own link holds it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use proto::Output;

use crate::counters::{RECORD_BYTES, Totals, on_disk};
use crate::dirs::{names, remove_file, remove_leftover};
use crate::dry_run::Mode;
use crate::error::{StoreError, keep_error};
use crate::evict::limits::Targets;
use crate::evict::plan::{Reason, Victim, plan};
use crate::evict::scan::{CompactOutput, OBJECT_GRACE, Scan, is_ahead, last_use};
use crate::format::layout::Layout;
use crate::format::record::Record;
use crate::record_dir::{LockOutcome, RecordDir};

/// A file in `tmp` that was not written to for so long has lost its writer: no put takes longer.
const UNFINISHED: Duration = Duration::from_secs(24 * 3600);

/// How long what was used last stays in a store without a daemon.
const GRACE_WITHOUT_DAEMON: Duration = Duration::from_secs(24 * 3600);

/// Times of files are those of the kernel's last tick, 10 ms ago at most, and of a slow clock.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// What was removed for one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Records, and files that never became anything.
    pub entries: u64,
    /// Objects.
    pub objects: u64,
    /// What they took on the disk.
    pub bytes: u64,
}

/// What a sweep did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// What was there before.
    pub before: Totals,
    /// What is left.
    pub left: Totals,
    /// What went, by reason.
    pub gone: BTreeMap<Reason, Removed>,
    /// Entries that were to go and were used meanwhile: they stay.
    pub spared: u64,
    /// What could not be read or removed, the first ten. The rest went.
    pub errors: Vec<String>,
}

impl Swept {
    /// Something that the scan counted is gone.
    fn count(&mut self, reason: Reason, entries: u64, object: Option<u64>) {
        let bytes = entries * RECORD_BYTES + object.map_or(0, on_disk);
        let objects = u64::from(object.is_some());
        self.removed(reason, entries, bytes).objects += objects;
        self.left = self.left.minus(Totals { entries, objects, bytes });
    }

    fn removed(&mut self, reason: Reason, entries: u64, bytes: u64) -> &mut Removed {
        let removed = self.gone.entry(reason).or_default();
        removed.entries += entries;
        removed.bytes += bytes;
        removed
    }
}

/// In a store without a daemon, a go command may be about to open a path that it was given today: nothing holds the file except its
/// name. A daemon's builds have links of their own.
pub(crate) fn grace(layout: &Layout) -> Duration {
    if layout.boot_file().exists() { GRACE_WITHOUT_DAEMON } else { Duration::ZERO }
}

/// Brings what was scanned to the targets. `began` is when the scan began, since 1970.
pub(crate) fn sweep(
    layout: &Layout,
    scan: &Scan,
    targets: &Targets,
    (began, mode): (Duration, Mode),
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Swept, StoreError> {
    let swept = Swept { before: scan.totals, left: scan.totals, errors: scan.errors.clone(), ..Swept::default() };
    let targets = Targets { grace: targets.grace.max(grace(layout)), ..*targets };
    let mut sweep = Sweep { layout, scan, references: scan.reference_counts(), began, mode, swept };
    for victim in plan(scan, &targets, began.as_secs()) {
        if !go_on() {
            break;
        }
        sweep.entry(&victim);
    }
    sweep.leftovers(targets.grace)?;
    Ok(sweep.swept)
}

struct Sweep<'a> {
    layout: &'a Layout,
    scan: &'a Scan,
    /// Of each object, the entries that have it and are still there.
    references: Vec<u32>,
    /// When the scan began, since 1970.
    began: Duration,
    mode: Mode,
    swept: Swept,
}

impl Sweep<'_> {
    fn entry(&mut self, victim: &Victim) {
        let entry = self.scan.entry(victim.index);
        let dir = self.scan.dir(victim.index);
        let records = RecordDir::new(dir.parent().unwrap_or(dir).to_owned(), self.layout.tmp().to_owned(), 0);
        let file = match records.lock(&entry.action) {
            Ok(LockOutcome::Locked(file)) => file,
            Ok(LockOutcome::Absent) | Err(_) => return, // gone, or not to be read any more
            Ok(LockOutcome::Busy) => return self.swept.spared += 1,
        };
        let known = &file.lines.records;
        let used = file.last_use().ok().and_then(|used| used.duration_since(UNIX_EPOCH).ok());
        let used = used.map(|used| last_use(used.as_secs(), self.began.as_secs()));
        let is_used = used.is_none_or(|used| used > u64::from(entry.used)) || !self.scan.is_unchanged(entry, known);
        // Only what is known not to be there is gone.
        let is_gone = |record: &Record| self.layout.object(&record.output.id).try_exists().is_ok_and(|there| !there);
        if is_used || (victim.reason == Reason::Broken && !known.iter().all(is_gone)) {
            self.swept.spared += 1;
            return;
        }
        let known = known.clone();
        if self.mode == Mode::Apply
            && let Err(e) = file.remove()
        {
            return keep_error(&mut self.swept.errors, &e);
        }
        self.swept.count(victim.reason, 1, None);
        for record in known {
            self.object_of(&record, victim.reason);
        }
    }

    /// The object of a record that went, if no other has it.
    fn object_of(&mut self, record: &Record, reason: Reason) {
        let Some(n) = self.scan.object_of(CompactOutput::of(record)) else { return };
        self.references[n] -= 1;
        let Output { id, size } = record.output;
        let object = self.layout.object(&id);
        if self.references[n] == 0 && is_unchanged(&object, self.began) && self.remove(&object) {
            self.swept.count(reason, 0, Some(size));
        }
    }

    /// What no entry stands for, and directories that are empty now.
    fn leftovers(&mut self, grace: Duration) -> Result<(), StoreError> {
        let now = self.began.as_secs();
        for unnamed in self.scan.unnamed.iter().filter(|object| object.is_abandoned(now, grace)) {
            if self.remove(&self.layout.object(&unnamed.output.id)) {
                self.swept.count(Reason::Unnamed, 0, Some(unnamed.output.size));
            }
        }
        for path in &self.scan.damaged {
            if self.remove(path) {
                self.swept.removed(Reason::Broken, 1, RECORD_BYTES);
            }
        }
        for dir in self.layout.unfinished() {
            self.unfinished(&dir)?;
        }
        if self.mode == Mode::Apply {
            self.correct_last_uses();
            self.former_records();
            self.empty_shards();
        }
        Ok(())
    }

    /// What writers that were killed have left.
    fn unfinished(&mut self, dir: &Path) -> Result<(), StoreError> {
        let now = self.began.as_secs();
        for path in names(dir)?.into_iter().map(|name| dir.join(name)) {
            // By ctime: a finished body has its integrity mtime.
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue }; // published meanwhile
            let is_old = |changed: u64| is_ahead(changed, now) || now.saturating_sub(changed) > UNFINISHED.as_secs();
            if metadata.is_file() && is_old(changed(&metadata).as_secs()) && self.remove(&path) {
                self.swept.removed(Reason::Unfinished, 1, on_disk(metadata.len()));
            }
        }
        Ok(())
    }

    fn former_records(&mut self) {
        if let Err(e) = remove_leftover(&self.layout.former_records()) {
            keep_error(&mut self.swept.errors, &e);
        }
    }

    /// Removes empty directories: those of a toolchain that is no longer used would stay. One that a put is about to use is younger.
    fn empty_shards(&self) {
        for shard in self.scan.shards.iter().filter(|shard| shard.entries.is_empty()) {
            if is_older(&shard.dir, self.began.as_secs()) && fs::remove_dir(&shard.dir).is_ok() {
                let _not_empty = shard.dir.parent().map(fs::remove_dir);
            }
        }
    }

    /// Where a clock was ahead, the time of last use that counts is written down: an entry grows old from now on.
    fn correct_last_uses(&self) {
        for (index, entry) in self.scan.indexed_entries().filter(|(_, entry)| entry.was_ahead) {
            let path = self.scan.dir(index).join(entry.action.to_string());
            let used = UNIX_EPOCH + Duration::from_secs(entry.used.into());
            drop(File::open(path).and_then(|file| file.set_modified(used))); // gone, or seen by the next sweep
        }
    }

    /// Whether it is gone, or would be.
    fn remove(&mut self, path: &Path) -> bool {
        if self.mode == Mode::DryRun {
            return true;
        }
        remove_file(path).inspect_err(|e| keep_error(&mut self.swept.errors, e)).is_ok()
    }
}

/// Whether a directory has not changed for a while.
fn is_older(dir: &Path, now: u64) -> bool {
    let changed = fs::symlink_metadata(dir).map(|m| u64::try_from(m.mtime()).unwrap_or(0));
    changed.is_ok_and(|changed| is_ahead(changed, now) || now.saturating_sub(changed) > OBJECT_GRACE.as_secs())
}

/// Whether an object did not change since the scan began, in time since 1970. One that did was put or exposed again: should no
/// entry name it, the next sweep removes it.
pub(crate) fn is_unchanged(object: &Path, began: Duration) -> bool {
    let is_before = |changed: Duration| changed + CLOCK_TICK < began || is_ahead(changed.as_secs(), began.as_secs());
    fs::symlink_metadata(object).is_ok_and(|metadata| is_before(changed(&metadata)))
}

/// A file's last change, also of its links, since 1970.
fn changed(metadata: &fs::Metadata) -> Duration {
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
    Duration::new(u64::try_from(metadata.ctime()).unwrap_or(0), nanoseconds)
}

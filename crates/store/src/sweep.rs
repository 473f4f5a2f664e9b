//! Removing what evict.rs has decided on, beside whoever reads and writes the store.
//!
//! The rule to keep: an entry goes before its object, and only if nobody used it since it was looked at. What a build was
//! shown stays readable to it, as its own link holds it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::actions::{Actions, Hold, names};
use crate::build::remove_leftover;
use crate::evict::{Doomed, GRACE, Limits, Reason, plan};
use crate::survey::{Output, Survey, is_ahead, last_use};
use crate::tally::{Census, RECORD, on_disk};
use crate::verify::note;
use crate::{Record, Store, StoreError, Unwanted};

/// A file in `tmp` that nobody has written to for so long is nobody's: no put takes longer.
const UNFINISHED: Duration = Duration::from_secs(24 * 3600);

/// Times of files are those of the kernel's last tick, 10 ms ago at most, and of a slow clock.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// What went for one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Share {
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
    pub before: Census,
    /// What is left.
    pub left: Census,
    /// What went, by reason.
    pub gone: BTreeMap<Reason, Share>,
    /// Entries that were to go and were used meanwhile: they stay.
    pub spared: u64,
    /// What could not be read or removed, the first ten. The rest went.
    pub errors: Vec<String>,
}

impl Swept {
    /// What the census counted is gone.
    fn count(&mut self, reason: Reason, entries: u64, object: Option<u64>) {
        let bytes = entries * RECORD + object.map_or(0, on_disk);
        let objects = u64::from(object.is_some());
        self.share(reason, entries, bytes).objects += objects;
        self.left.entries = self.left.entries.saturating_sub(entries);
        self.left.objects = self.left.objects.saturating_sub(objects);
        self.left.bytes = self.left.bytes.saturating_sub(bytes);
    }

    fn share(&mut self, reason: Reason, entries: u64, bytes: u64) -> &mut Share {
        let share = self.gone.entry(reason).or_default();
        share.entries += entries;
        share.bytes += bytes;
        share
    }
}

impl Store {
    /// Brings the store within its limits, and collects what crashes have left. Sets the count right, here and in `counts`.
    /// With [`Unwanted::Leave`] it only says what would go. `go_on` is asked now and then; `None` if it said no. It needs no room.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn sweep(
        &self,
        limits: &Limits,
        now: SystemTime,
        what: Unwanted,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Swept>, StoreError> {
        let began = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(survey) = Survey::take(&self.layout, began.as_secs(), go_on)? else { return Ok(None) };
        let errors = survey.errors.clone();
        let swept = Swept { before: survey.census, left: survey.census, errors, ..Swept::default() };
        let limits = Limits { spare: limits.spare.max(self.spares()), ..*limits };
        let removes = what == Unwanted::Remove;
        let mut sweep = Sweep { store: self, survey: &survey, users: survey.users(), began, removes, swept };
        for doomed in plan(&survey, &limits, began.as_secs()) {
            if !go_on() {
                break;
            }
            sweep.entry(&doomed);
        }
        sweep.others(limits.spare)?;
        let swept = sweep.swept;
        if what == Unwanted::Remove {
            self.set_census(swept.left);
            self.note_counts();
        }
        Ok(Some(swept))
    }

    /// In a store that no daemon has for itself, a go command may be about to open what it was told of today: nothing holds it
    /// but its name. A daemon's builds have links of their own.
    pub(crate) fn spares(&self) -> Duration {
        if self.root().join("boot").exists() { Duration::from_secs(24 * 3600) } else { Duration::ZERO }
    }
}

struct Sweep<'a> {
    store: &'a Store,
    survey: &'a Survey,
    /// Of each object, the entries that have it and are still there.
    users: Vec<u32>,
    /// When the survey began, since 1970.
    began: Duration,
    removes: bool,
    swept: Swept,
}

impl Sweep<'_> {
    fn entry(&mut self, doomed: &Doomed) {
        let entry = self.survey.entry(doomed.place);
        let dir = self.survey.dir(doomed.place);
        let records = Actions::new(dir.parent().unwrap_or(dir).to_owned(), self.store.layout.tmp().to_owned(), 0);
        let held = match records.hold(&entry.action) {
            Ok(Hold::Held(held)) => held,
            Ok(Hold::Absent) | Err(_) => return, // gone, or not to be read any more
            Ok(Hold::Busy) => return self.swept.spared += 1,
        };
        let known = &held.lines.records;
        let used = held.used().ok().and_then(|used| used.duration_since(UNIX_EPOCH).ok());
        let used = used.map(|used| last_use(used.as_secs(), self.began.as_secs()));
        let is_used = used.is_none_or(|used| used > u64::from(entry.used)) || !self.survey.is_of(entry, known);
        // Only what is known not to be there is gone.
        let is_gone = |record: &Record| self.store.layout.object(&record.output).try_exists().is_ok_and(|there| !there);
        if is_used || (doomed.reason == Reason::Broken && !known.iter().all(is_gone)) {
            self.swept.spared += 1;
            return;
        }
        let known = known.clone();
        if self.removes
            && let Err(e) = held.remove()
        {
            return note(&mut self.swept.errors, &e);
        }
        self.swept.count(doomed.reason, 1, None);
        for record in known {
            self.object_of(&record, doomed.reason);
        }
    }

    /// The object of a record that went, if no other has it.
    fn object_of(&mut self, record: &Record, reason: Reason) {
        let Some(n) = self.survey.object_of(Output::of(record)) else { return };
        self.users[n] -= 1;
        let object = self.store.layout.object(&record.output);
        if self.users[n] == 0 && is_unchanged(&object, self.began) && self.remove(&object) {
            self.swept.count(reason, 0, Some(record.size));
        }
    }

    /// What no entry stands for, and directories that are empty now.
    fn others(&mut self, spare: Duration) -> Result<(), StoreError> {
        let now = self.began.as_secs();
        for unnamed in self.survey.unnamed.iter().filter(|object| object.is_left(now, spare)) {
            if self.remove(&self.store.layout.object(&unnamed.output)) {
                self.swept.count(Reason::Unnamed, 0, Some(unnamed.size));
            }
        }
        for path in &self.survey.damaged {
            if self.remove(path) {
                self.swept.share(Reason::Broken, 1, RECORD);
            }
        }
        for dir in self.store.layout.unfinished() {
            self.unfinished(&dir)?;
        }
        self.set_uses();
        if self.removes
            && let Some(former) = self.store.layout.former_records()
            && let Err(e) = remove_leftover(&former)
        {
            note(&mut self.swept.errors, &e);
        }
        // Of a toolchain that nobody uses any more 17 directories would stay. One that somebody is about to use is younger.
        for shelf in self.survey.shelves.iter().filter(|shelf| self.removes && shelf.entries.is_empty()) {
            if is_older(&shelf.dir, now) && fs::remove_dir(&shelf.dir).is_ok() {
                let _not_empty = shelf.dir.parent().map(fs::remove_dir);
            }
        }
        Ok(())
    }

    /// What writers that were killed have left.
    fn unfinished(&mut self, dir: &Path) -> Result<(), StoreError> {
        let now = self.began.as_secs();
        for path in names(dir)?.into_iter().map(|name| dir.join(name)) {
            // By ctime: the mtime of a finished body is its seal.
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue }; // published meanwhile
            let is_old = |changed: u64| is_ahead(changed, now) || now.saturating_sub(changed) > UNFINISHED.as_secs();
            let is_left = changed(&path).is_some_and(|changed| is_old(changed.as_secs()));
            if metadata.is_file() && is_left && self.remove(&path) {
                self.swept.share(Reason::Unfinished, 1, on_disk(metadata.len()));
            }
        }
        Ok(())
    }

    /// Where a clock was ahead, the time of last use that counts is written down: an entry grows old from now on.
    fn set_uses(&self) {
        for (place, entry) in self.survey.places().filter(|(_, entry)| self.removes && entry.was_ahead) {
            let path = self.survey.dir(place).join(entry.action.to_string());
            let used = UNIX_EPOCH + Duration::from_secs(entry.used.into());
            drop(File::open(path).and_then(|file| file.set_modified(used))); // gone, or seen by the next sweep
        }
    }

    /// Whether it is gone, or would be.
    fn remove(&mut self, path: &Path) -> bool {
        if !self.removes {
            return true;
        }
        match fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                note(&mut self.swept.errors, &StoreError::at("removing", path)(e));
                false
            }
            _ => true,
        }
    }
}

/// Whether a directory has not changed for a while.
fn is_older(dir: &Path, now: u64) -> bool {
    let changed = fs::symlink_metadata(dir).map(|m| u64::try_from(m.mtime()).unwrap_or(0));
    changed.is_ok_and(|changed| is_ahead(changed, now) || now.saturating_sub(changed) > GRACE.as_secs())
}

/// Whether an object did not change since the survey began, in time since 1970. One that did was put or shown again: should no
/// entry name it, the next sweep has it.
pub(crate) fn is_unchanged(object: &Path, began: Duration) -> bool {
    let is_before = |changed: Duration| changed + CLOCK_TICK < began || is_ahead(changed.as_secs(), began.as_secs());
    changed(object).is_some_and(is_before)
}

/// A file's last change, also of its links, since 1970.
fn changed(path: &Path) -> Option<Duration> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
    Some(Duration::new(u64::try_from(metadata.ctime()).unwrap_or(0), nanoseconds))
}

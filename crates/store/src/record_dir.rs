//! A directory of records: a namespace's, or what a build keeps for itself.
//!
//! The rule to keep: a writer that replaces or removes a record of a namespace holds a lock on its file (flock(2)) and has read
//! it under that lock. Reading takes no lock, nor does writing the first record.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use proto::ActionId;

use crate::dirs::{names, remove_file, subdirectories};
use crate::error::StoreError;
use crate::format::layout::fan_out;
use crate::format::record::{LONGEST_FILE, Lines, Record};
use crate::object::atomic_rename::{write_new, write_small};

/// A record's mtime is its time of last use; it is set again only when it is older than this, so that a get writes
/// nothing (cmd/go does the same with its own cache: cache/cache.go `mtimeInterval`).
const USE_INTERVAL: Duration = Duration::from_secs(3600);

/// How often a lock is tried, and the pause between: it is held for as long as a small file takes to write. A process that holds
/// it for longer may be stopped, and is not waited for.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// Bytes that one read takes in: all of nearly every file.
const FIRST_READ: usize = 512;

#[expect(clippy::cast_possible_wrap, reason = "the flag is a small positive number")]
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// A directory of records.
#[derive(Debug)]
pub(crate) struct RecordDir {
    dir: PathBuf,
    tmp: PathBuf,
    levels: usize,
}

/// What [`RecordDir::lock`] found.
#[derive(Debug)]
pub(crate) enum LockOutcome {
    /// No file.
    Absent,
    /// A file that is locked now.
    Locked(LockedFile),
    /// A file that another process has locked for too long.
    Busy,
}

/// A file of records that no other process changes: dropping it ends the lock.
#[derive(Debug)]
pub(crate) struct LockedFile {
    file: File,
    path: PathBuf,
    pub(crate) lines: Lines,
}

impl LockedFile {
    /// The time of last use.
    pub(crate) fn last_use(&self) -> Result<SystemTime, StoreError> {
        self.file.metadata().and_then(|m| m.modified()).map_err(StoreError::at("reading", &self.path))
    }

    /// Removes the file.
    pub(crate) fn remove(self) -> Result<(), StoreError> {
        remove_file(&self.path)
    }
}

impl RecordDir {
    /// `levels` directories are made for a record where they are missing.
    pub(crate) fn new(dir: PathBuf, tmp: PathBuf, levels: usize) -> Self {
        Self { dir, tmp, levels }
    }

    /// The records of an action, the newest first; none if there are none.
    pub(crate) fn read(&self, action: &ActionId) -> Result<Vec<Record>, StoreError> {
        Ok(self.open(action)?.map(|(_, lines)| lines.records).unwrap_or_default())
    }

    /// The records of an action and their time of last use, which this does not change.
    pub(crate) fn read_with_last_use(&self, action: &ActionId) -> Result<Option<(Lines, SystemTime)>, StoreError> {
        let Some((file, lines)) = self.open(action)? else { return Ok(None) };
        let used = file.metadata().and_then(|m| m.modified());
        Ok(Some((lines, used.map_err(StoreError::at("reading", &self.path(action)))?)))
    }

    /// As [`RecordDir::read`], and sets the time of last use.
    pub(crate) fn read_for_use(&self, action: &ActionId, now: SystemTime) -> Result<Vec<Record>, StoreError> {
        let Some((file, lines)) = self.open(action)? else { return Ok(Vec::new()) };
        let used = file.metadata().and_then(|m| m.modified());
        // One from the future, of a clock that was wrong, would never grow old.
        let is_old = |used| now.duration_since(used).unwrap_or_else(|ahead| ahead.duration()) > USE_INTERVAL;
        if used.is_ok_and(is_old) {
            // Only eviction looks at it: a failure costs an entry its place in the order, no more.
            drop(file.set_modified(now));
        }
        Ok(lines.records)
    }

    /// Writes the records of an action where there were none. False if another process was quicker.
    pub(crate) fn create(&self, action: &ActionId, records: &[Record]) -> Result<bool, StoreError> {
        write_new(&self.tmp, &self.path(action), Lines::text(records, action).as_bytes(), self.levels)
    }

    /// Writes the records of an action over those of a file that is locked, or that cannot be.
    pub(crate) fn write(&self, action: &ActionId, records: &[Record]) -> Result<(), StoreError> {
        write_small(&self.tmp, &self.path(action), Lines::text(records, action).as_bytes(), self.levels)
    }

    /// Locks the file of an action, or gives up after a tenth of a second.
    pub(crate) fn lock(&self, action: &ActionId) -> Result<LockOutcome, StoreError> {
        let path = self.path(action);
        for _ in 0..TRIES {
            // For writing too: NFS locks nothing else.
            let mut file = match File::options().read(true).write(true).custom_flags(NONBLOCK).open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(LockOutcome::Absent),
                Err(e) => return Err(StoreError::at("opening", &path)(e)),
            };
            match file.try_lock() {
                Ok(()) if !is_at(&file, &path) => continue, // it was replaced in between
                // Where a file system has no locks, two at once may both believe that they were first.
                Ok(()) | Err(TryLockError::Error(_)) => {}
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(PAUSE);
                    continue;
                }
            }
            let lines = read_lines(&mut file, &path, action)?;
            return Ok(LockOutcome::Locked(LockedFile { file, path, lines }));
        }
        Ok(LockOutcome::Busy)
    }

    /// Removes one record, unless it has changed by now.
    pub(crate) fn forget(&self, action: &ActionId, record: &Record) -> Result<(), StoreError> {
        self.retain(action, |known| known != record)
    }

    /// Removes the records of an action that are not to stay, and what is damaged.
    pub(crate) fn retain(&self, action: &ActionId, stays: impl Fn(&Record) -> bool) -> Result<(), StoreError> {
        let Some(locked) = self.lock_for_change(action)? else { return Ok(()) };
        let left: Vec<_> = locked.lines.records.iter().filter(|record| stays(record)).cloned().collect();
        if left.is_empty() {
            locked.remove()
        } else if left.len() < locked.lines.records.len() || locked.lines.damaged > 0 {
            self.write(action, &left)
        } else {
            Ok(())
        }
    }

    /// Marks the records of an action that are meant as quarantined.
    pub(crate) fn quarantine(&self, action: &ActionId, is: impl Fn(&Record) -> bool) -> Result<(), StoreError> {
        // The lock is held until the file is replaced.
        let Some(mut locked) = self.lock_for_change(action)? else { return Ok(()) };
        let mut marked = false;
        for record in locked.lines.records.iter_mut().filter(|record| is(record)) {
            record.is_quarantined = true;
            marked = true;
        }
        if marked { self.write(action, &locked.lines.records) } else { Ok(()) }
    }

    /// The file of an action, locked; `None` if there is none. A file that is locked for too long is an error.
    fn lock_for_change(&self, action: &ActionId) -> Result<Option<LockedFile>, StoreError> {
        match self.lock(action)? {
            LockOutcome::Absent => Ok(None),
            LockOutcome::Busy => Err(StoreError::Busy { path: self.path(action) }),
            LockOutcome::Locked(locked) => Ok(Some(locked)),
        }
    }

    /// Makes a record the first one, unless it is among the first `near` ones.
    pub(crate) fn move_to_front(
        &self,
        action: &ActionId,
        is: impl Fn(&Record) -> bool,
        near: usize,
    ) -> Result<(), StoreError> {
        let LockOutcome::Locked(locked) = self.lock(action)? else { return Ok(()) };
        if locked.lines.records.iter().take(near).any(&is) {
            return Ok(());
        }
        let (mut first, others): (Vec<_>, Vec<_>) = locked.lines.records.iter().cloned().partition(is);
        if first.is_empty() {
            return Ok(());
        }
        first.extend(others);
        self.write(action, &first)
    }

    /// All records, each with the last use of its action. What is damaged is left out.
    pub(crate) fn list(&self) -> Result<Vec<(ActionId, Record, SystemTime)>, StoreError> {
        let mut all = Vec::new();
        for dir in subdirectories(&self.dir)? {
            // Others are foreign files.
            let actions: Vec<_> = names(&dir)?.iter().filter_map(|name| name.parse().ok()).collect();
            all.extend(self.list_of(&actions));
        }
        Ok(all)
    }

    /// The same, of these actions, in their order.
    pub(crate) fn list_of(&self, actions: &[ActionId]) -> Vec<(ActionId, Record, SystemTime)> {
        let mut all = Vec::new();
        for &action in actions {
            let Ok(Some((lines, used))) = self.read_with_last_use(&action) else { continue };
            all.extend(lines.records.into_iter().map(|record| (action, record, used)));
        }
        all
    }

    /// Sets the time of last use. Only eviction and what is sent to other machines look at it.
    pub(crate) fn set_last_use(&self, action: &ActionId, time: SystemTime) {
        drop(
            File::options()
                .read(true)
                .custom_flags(NONBLOCK)
                .open(self.path(action))
                .and_then(|file| file.set_modified(time)),
        );
    }

    fn open(&self, action: &ActionId) -> Result<Option<(File, Lines)>, StoreError> {
        let path = self.path(action);
        // Not waiting: a pipe in the place of a record would never be opened.
        let mut file = match File::options().read(true).custom_flags(NONBLOCK).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None), // never put, or evicted
            Err(e) => return Err(StoreError::at("opening", &path)(e)),
        };
        let lines = read_lines(&mut file, &path, action)?;
        if lines.records.is_empty() { Err(StoreError::DamagedRecord { path }) } else { Ok(Some((file, lines))) }
    }

    pub(crate) fn path(&self, action: &ActionId) -> PathBuf {
        fan_out(&self.dir, &action.to_string())
    }
}

fn read_lines(file: &mut File, path: &Path, action: &ActionId) -> Result<Lines, StoreError> {
    let mut first = [0; FIRST_READ];
    let n = file.read(&mut first).map_err(StoreError::at("reading", path))?;
    if n < FIRST_READ {
        return Ok(Lines::parse(&first[..n], action));
    }
    let mut all = first.to_vec();
    let rest = file.take((LONGEST_FILE - FIRST_READ) as u64).read_to_end(&mut all);
    rest.map_err(StoreError::at("reading", path))?;
    Ok(Lines::parse(&all, action))
}

/// Whether the path names this file.
fn is_at(file: &File, path: &Path) -> bool {
    let inode = |about: std::io::Result<fs::Metadata>| about.ok().map(|m| (m.dev(), m.ino()));
    inode(file.metadata()).is_some_and(|held| inode(fs::symlink_metadata(path)) == Some(held))
}

//! Records in a directory: a namespace's, or what a build keeps for itself.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proto::ActionId;

use crate::StoreError;
use crate::layout::fan_out;
use crate::place::write_small;
use crate::record::{self, Record};

/// A record's mtime is its time of last use; it is set again only when it is older than this, so that a get writes
/// nothing (cmd/go does the same with its own cache: cache/cache.go `mtimeInterval`).
const USE_INTERVAL: Duration = Duration::from_secs(3600);

#[expect(clippy::cast_possible_wrap, reason = "the flag is a small positive number")]
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// A directory of records.
#[derive(Debug)]
pub(crate) struct Actions {
    dir: PathBuf,
    tmp: PathBuf,
    levels: usize,
}

impl Actions {
    /// `levels` directories are made for a record where they are missing.
    pub(crate) fn new(dir: PathBuf, tmp: PathBuf, levels: usize) -> Self {
        Self { dir, tmp, levels }
    }

    /// The record of an action, if there is one.
    pub(crate) fn read(&self, action: &ActionId) -> Result<Option<Record>, StoreError> {
        Ok(self.open(action)?.map(|(_, record)| record))
    }

    /// The record and when it was last used, which this does not change.
    pub(crate) fn look(&self, action: &ActionId) -> Result<Option<(Record, SystemTime)>, StoreError> {
        let Some((file, record)) = self.open(action)? else { return Ok(None) };
        let used = file.metadata().and_then(|m| m.modified());
        Ok(Some((record, used.map_err(StoreError::at("reading", &self.path(action)))?)))
    }

    /// As [`Actions::read`], and notes that the action is in use.
    pub(crate) fn find(&self, action: &ActionId, now: SystemTime) -> Result<Option<Record>, StoreError> {
        let Some((file, record)) = self.open(action)? else { return Ok(None) };
        let used = file.metadata().and_then(|m| m.modified());
        // One from the future, of a clock that was wrong, would never grow old.
        let is_old = |used| now.duration_since(used).unwrap_or_else(|ahead| ahead.duration()) > USE_INTERVAL;
        if used.is_ok_and(is_old) {
            // Only eviction looks at it: a failure costs an entry its place in the order, no more.
            drop(file.set_modified(now));
        }
        Ok(Some(record))
    }

    pub(crate) fn write(&self, action: &ActionId, record: &Record) -> Result<(), StoreError> {
        write_small(&self.tmp, &self.path(action), record.to_line(action).as_bytes(), self.levels)
    }

    /// Removes the record, unless it says something else by now.
    pub(crate) fn forget(&self, action: &ActionId, record: &Record) -> Result<(), StoreError> {
        if self.read(action)? != Some(*record) {
            return Ok(());
        }
        let path = self.path(action);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::at("removing", &path)(e)),
            _ => Ok(()),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<(ActionId, Record)>, StoreError> {
        let mut all = Vec::new();
        for dir in subdirectories(&self.dir)? {
            for entry in names(&dir)? {
                let Ok(action) = entry.parse() else { continue }; // a foreign file
                if let Ok(Some(record)) = self.read(&action) {
                    all.push((action, record));
                }
            }
        }
        Ok(all)
    }

    fn open(&self, action: &ActionId) -> Result<Option<(File, Record)>, StoreError> {
        let path = self.path(action);
        // Not waiting: a pipe in the place of a record would never be opened.
        let mut file = match File::options().read(true).custom_flags(NONBLOCK).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None), // never put, or evicted
            Err(e) => return Err(StoreError::at("opening", &path)(e)),
        };
        let mut line = [0; record::LONGEST];
        let n = file.read(&mut line).map_err(StoreError::at("reading", &path))?;
        match Record::parse(&line[..n], action) {
            Some(record) => Ok(Some((file, record))),
            None => Err(StoreError::DamagedRecord { path }),
        }
    }

    fn path(&self, action: &ActionId) -> PathBuf {
        fan_out(&self.dir, &action.to_string())
    }
}

/// The directories in a directory; none where it is missing itself.
pub(crate) fn subdirectories(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let all = names(dir)?.into_iter().map(|name| dir.join(name));
    Ok(all.filter(|path| fs::symlink_metadata(path).is_ok_and(|m| m.is_dir())).collect())
}

/// The names in a directory that are text; none where it is missing.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()), // nothing was put yet
        Err(e) => return Err(StoreError::at("listing", dir)(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::at("listing", dir))?;
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}

//! A file that is named by its output id, and how to tell that it still holds that output.
//!
//! Its mtime is made from its id when it is published. Whatever writes to it later sets another one, so that a look at
//! size and mtime, which a get needs anyway, tells a file that was written to; only such a file is read again.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::OutputId;
use sha2::{Digest, Sha256};

use crate::StoreError;

/// What a look at a file told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Size and mtime are those of the output.
    Whole,
    /// The size is right, but something was written, or may not have reached the disk.
    Touched,
    /// There is none, or none of this size.
    Absent,
}

/// When files were written that may not have reached the disk before a machine or a daemon stopped without warning: a file
/// system may keep a file's size and times and lose its bytes. Each such file is read once before it is served; that sets
/// its times, so that it is none of them any more.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Doubt(Option<(i64, i64)>);

impl Doubt {
    /// Doubts what changed from `since` to `until`.
    pub(crate) fn between(since: SystemTime, until: SystemTime) -> Self {
        let seconds = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
        };
        Self(Some((seconds(since), seconds(until))))
    }

    /// By ctime: a seal cannot set it. Linking does, which is one reading more than needed.
    fn covers(self, metadata: &fs::Metadata) -> bool {
        self.0.is_some_and(|(since, until)| (since..=until).contains(&metadata.ctime()))
    }
}

/// Looks at the file of an output.
pub(crate) fn state(path: &Path, output: &OutputId, size: u64, doubt: Doubt) -> Result<State, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() || metadata.len() != size => Ok(State::Absent),
        Ok(metadata) if doubt.covers(&metadata) => Ok(State::Touched),
        Ok(metadata) if metadata.modified().is_ok_and(|time| time == seal(output)) => Ok(State::Whole),
        Ok(_) => Ok(State::Touched),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(State::Absent), // never put, or evicted
        Err(e) => Err(StoreError::at("reading", path)(e)),
    }
}

/// Whether the file holds the output; one that was touched is read, and removed if it does not.
pub(crate) fn is_whole(path: &Path, output: &OutputId, size: u64, doubt: Doubt) -> Result<bool, StoreError> {
    match state(path, output, size, doubt)? {
        State::Whole => Ok(true),
        State::Absent => Ok(false),
        State::Touched if holds(path, output)? => {
            // Should this fail, it is read again next time.
            drop(File::open(path).and_then(|file| file.set_modified(seal(output))));
            Ok(true)
        }
        State::Touched => {
            fs::remove_file(path).map_err(StoreError::at("removing", path))?;
            Ok(false)
        }
    }
}

/// Gives a finished file the mtime of its output.
pub(crate) fn set_seal(file: &File, output: &OutputId) -> io::Result<()> {
    file.set_modified(seal(output))
}

/// Whether the file's bytes are the output's, by reading all of them.
pub(crate) fn holds(path: &Path, output: &OutputId) -> Result<bool, StoreError> {
    let read = || {
        let mut file = File::open(path)?;
        let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hasher.finalize()[..] == output.0),
                n => hasher.update(&piece[..n]),
            }
        }
    };
    read().map_err(StoreError::at("reading", path))
}

/// A second between 1980 and 2000: whole, as not every file system keeps more, and one that no clock shows today.
fn seal(output: &OutputId) -> SystemTime {
    let [a, b, c, d, ..] = output.0;
    UNIX_EPOCH + Duration::from_secs(315_532_800 + u64::from(u32::from_le_bytes([a, b, c, d])) % 631_152_000)
}

//! A file that is named by its output id, and how to tell that it still holds that output.
//!
//! Its mtime is made from its id when it is published. Whatever writes to it later sets another one, so that a look at
//! size and mtime, which a get needs anyway, tells a file that was written to; only such a file is read again.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
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
    /// The size is right, but something was written.
    Touched,
    /// There is none, or none of this size.
    Absent,
}

/// Looks at the file of an output.
pub(crate) fn state(path: &Path, output: &OutputId, size: u64) -> Result<State, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() || metadata.len() != size => Ok(State::Absent),
        Ok(metadata) if metadata.modified().is_ok_and(|time| time == seal(output)) => Ok(State::Whole),
        Ok(_) => Ok(State::Touched),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(State::Absent), // never put, or evicted
        Err(e) => Err(StoreError::at("reading", path)(e)),
    }
}

/// Whether the file holds the output; one that was touched is read, and removed if it does not.
pub(crate) fn is_whole(path: &Path, output: &OutputId, size: u64) -> Result<bool, StoreError> {
    match state(path, output, size)? {
        State::Whole => Ok(true),
        State::Absent => Ok(false),
        State::Touched if holds(path, output).map_err(StoreError::at("reading", path))? => {
            // A copy of the store without its times, say. Should this fail, it is read again next time.
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

fn holds(path: &Path, output: &OutputId) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finalize()[..] == output.0),
            n => hasher.update(&piece[..n]),
        }
    }
}

/// A second between 1980 and 2000: whole, as not every file system keeps more, and one that no clock shows today.
fn seal(output: &OutputId) -> SystemTime {
    let [a, b, c, d, ..] = output.0;
    UNIX_EPOCH + Duration::from_secs(315_532_800 + u64::from(u32::from_le_bytes([a, b, c, d])) % 631_152_000)
}

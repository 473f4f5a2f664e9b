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
use crate::doubt::{Doubt, Written};

/// What a look at a file told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Size and mtime are those of the output.
    Whole,
    /// Size and mtime are right, but it may not have reached the disk.
    Doubted,
    /// The size is right, but something was written.
    Touched,
    /// There is none, or none of this size.
    Absent,
}

/// Looks at the file of an output.
pub(crate) fn state(path: &Path, output: &OutputId, size: u64, doubt: &Doubt) -> Result<State, StoreError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(State::Absent), // never put, or evicted
        Err(e) => return Err(StoreError::at("reading", path)(e)),
    };
    if !metadata.is_file() || metadata.len() != size {
        return Ok(State::Absent);
    }
    let is_sealed = |kind| metadata.modified().is_ok_and(|time| time == seal(output, kind));
    Ok(match (is_sealed(Seal::Read), is_sealed(Seal::Written)) {
        (true, _) => State::Whole,
        (_, true) if doubt.covers(&metadata).is_some() => State::Doubted,
        (_, true) => State::Whole,
        (false, false) => State::Touched,
    })
}

/// Whether the file holds the output; one that is doubted or was touched is read, and removed if it does not.
pub(crate) fn is_whole(path: &Path, output: &OutputId, size: u64, doubt: &Doubt) -> Result<bool, StoreError> {
    match state(path, output, size, doubt)? {
        State::Whole => Ok(true),
        State::Absent => Ok(false),
        State::Doubted | State::Touched => read_back(path, output, doubt),
    }
}

/// Reads a file from the disk and says so in its mtime if it holds the output; removes it if not.
///
/// What is still in memory proves nothing, so that it is let go of first; that is done for what was written back alone. What
/// was made before this boot, or before a sync that succeeded since, was. Of the rest each file is brought to the disk.
fn read_back(path: &Path, output: &OutputId, doubt: &Doubt) -> Result<bool, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false), // evicted in between
        Err(e) => return Err(StoreError::at("opening", path)(e)),
    };
    let covered = file.metadata().map(|metadata| doubt.covers(&metadata)).map_err(StoreError::at("reading", path))?;
    let is_on_disk = match covered {
        Some(Written::Back) => true,
        Some(Written::Perhaps) | None => file.sync_all().is_ok(),
    };
    // Where it cannot be let go of (another program has it mapped, say), what is read is what that program sees.
    let _advice = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    if holds(path, output)? {
        if is_on_disk {
            // Should this fail, it is read again next time.
            drop(file.set_modified(seal(output, Seal::Read)));
        }
        return Ok(true);
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::at("removing", path)(e)),
        _ => Ok(false), // another session may have been as quick
    }
}

/// Gives a finished file the mtime of its output.
pub(crate) fn set_seal(file: &File, output: &OutputId) -> io::Result<()> {
    file.set_modified(seal(output, Seal::Written))
}

/// Changes a file's ctime and nothing else.
pub(crate) fn touch(path: &Path) {
    // One that is gone stays as it is.
    drop(File::open(path).and_then(|file| file.set_modified(file.metadata()?.modified()?)));
}

/// Whether the file's bytes are the output's, by reading all of them. One that is gone holds nothing.
pub(crate) fn holds(path: &Path, output: &OutputId) -> Result<bool, StoreError> {
    let read = || -> io::Result<bool> {
        let mut file = File::open(path)?;
        let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hasher.finalize()[..] == output.0),
                n => hasher.update(&piece[..n]),
            }
        }
    };
    match read() {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        read => read.map_err(StoreError::at("reading", path)),
    }
}

/// What a file's mtime says of it.
#[derive(Clone, Copy)]
enum Seal {
    /// It was written, as its id says.
    Written,
    /// It was read since, and is on the disk.
    Read,
}

/// A second between 1980 and 2000: whole, as not every file system keeps more, and one that no clock shows today. An even one
/// or the odd one after it.
fn seal(output: &OutputId, kind: Seal) -> SystemTime {
    let [a, b, c, d, ..] = output.0;
    let even = u64::from(u32::from_le_bytes([a, b, c, d])) % 315_576_000 * 2;
    UNIX_EPOCH + Duration::from_secs(315_532_800 + even + u64::from(matches!(kind, Seal::Read)))
}

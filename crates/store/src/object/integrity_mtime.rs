//! The integrity mtime: how to tell that a file still holds the output that it is named after.
//!
//! A file's mtime is made from its output's id when it is published. Whatever writes to it later sets another one, so that a look
//! at size and mtime, which a get needs anyway, finds a file that was written to; only such a file is read again.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::{Output, OutputId};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::dirs::remove_file;
use crate::error::StoreError;
use crate::unsynced::{UnsyncedSpans, WriteBack};

#[expect(clippy::cast_possible_wrap, reason = "the flags are small positive numbers")]
pub(crate) const PLAIN: i32 = OFlags::NONBLOCK.union(OFlags::NOFOLLOW).bits() as i32;

/// What size and mtime say of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// They are those of the output.
    Whole,
    /// They are, but the file may not have reached the disk: it is to be verified.
    Unsynced,
    /// The size is right, and something was written: it is to be verified.
    Modified,
    /// There is no file, or none of this size.
    Absent,
}

/// Looks at the file of an output, without reading it.
pub(crate) fn state(path: &Path, output: Output, unsynced: &UnsyncedSpans) -> Result<State, StoreError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(State::Absent), // never put, or evicted
        Err(e) => return Err(StoreError::at("reading", path)(e)),
    };
    if !metadata.is_file() || metadata.len() != output.size {
        return Ok(State::Absent);
    }
    let has_mtime = |mark| metadata.modified().is_ok_and(|time| time == integrity_mtime(&output.id, mark));
    Ok(match (has_mtime(Mark::Verified), has_mtime(Mark::Written)) {
        (true, _) => State::Whole,
        (_, true) if unsynced.covers(&metadata).is_some() => State::Unsynced,
        (_, true) => State::Whole,
        (false, false) => State::Modified,
    })
}

/// Whether the file of an output is there, of its size and as it was made, as far as size and mtime tell.
#[must_use]
pub fn is_unmodified(path: &Path, output: Output) -> bool {
    matches!(state(path, output, &UnsyncedSpans::default()), Ok(State::Whole))
}

/// Whether the file holds the output; one that is to be verified is read, and removed if it does not.
pub(crate) fn is_whole(path: &Path, output: Output, unsynced: &UnsyncedSpans) -> Result<bool, StoreError> {
    match state(path, output, unsynced)? {
        State::Whole => Ok(true),
        State::Absent => Ok(false),
        State::Unsynced | State::Modified => read_back(path, &output.id, unsynced),
    }
}

/// Reads a file from the disk and marks it as verified in its mtime if it holds the output; removes it if not.
///
/// Pages in memory prove nothing, so they are dropped first. The kernel drops only pages that were written back: those of files
/// that were made before this boot, or before a sync that succeeded since. Any other file is synced by itself before.
fn read_back(path: &Path, output: &OutputId, unsynced: &UnsyncedSpans) -> Result<bool, StoreError> {
    let file = match open_plain(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false), // evicted in between
        Err(e) => return Err(StoreError::at("opening", path)(e)),
    };
    let covered =
        file.metadata().map(|metadata| unsynced.covers(&metadata)).map_err(StoreError::at("reading", path))?;
    let is_on_disk = match covered {
        Some(WriteBack::Done) => true,
        Some(WriteBack::Pending) | None => file.sync_all().is_ok(),
    };
    // Pages that cannot be dropped (another program has them mapped, say) are read as that program sees them.
    let _advice = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    if holds(path, output)? {
        if is_on_disk {
            // Should this fail, it is read again next time.
            drop(file.set_modified(integrity_mtime(output, Mark::Verified)));
        }
        return Ok(true);
    }
    remove_file(path).map(|()| false)
}

/// Opens a file for reading. What a build under our own uid may have put in its place just now, a pipe or a link, is neither waited
/// for nor followed.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(PLAIN).open(path)
}

/// As `open_plain`, for a regular file alone: of a pipe or a device nothing is read.
///
/// # Errors
/// What the system answers; `InvalidInput` where it is something else.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = open_plain(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::InvalidInput.into()) }
}

/// Gives a finished file the mtime of its output.
pub(crate) fn set_integrity_mtime(file: &File, output: &OutputId) -> io::Result<()> {
    file.set_modified(integrity_mtime(output, Mark::Written))
}

/// Changes a file's ctime and nothing else.
pub(crate) fn bump_ctime(path: &Path) {
    // One that is gone stays as it is.
    drop(File::open(path).and_then(|file| file.set_modified(file.metadata()?.modified()?)));
}

/// Whether the file's bytes are the output's, by reading all of them. One that is gone holds nothing.
pub(crate) fn holds(path: &Path, output: &OutputId) -> Result<bool, StoreError> {
    let read = || -> io::Result<bool> {
        let mut file = open_plain(path)?;
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

/// How far a file has come, as its mtime says.
#[derive(Clone, Copy)]
enum Mark {
    /// It was written.
    Written,
    /// It was read back since, and is on the disk.
    Verified,
}

/// A second between 1980 and 2000: whole, as not every file system keeps more, and one that no clock shows today. An even one
/// for a file that was written, the odd one after it for one that was verified.
fn integrity_mtime(output: &OutputId, mark: Mark) -> SystemTime {
    let [a, b, c, d, ..] = output.0;
    let even = u64::from(u32::from_le_bytes([a, b, c, d])) % 315_576_000 * 2;
    UNIX_EPOCH + Duration::from_secs(315_532_800 + even + u64::from(matches!(mark, Mark::Verified)))
}

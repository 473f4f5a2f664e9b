//! Where Go finds the directory of a zip file (archive/zip/reader.go `readDirectoryEnd`, Go 1.26).
//!
//! The zip library looks further: at end records before the last one, and at such as are far from the end. A file that it can read
//! and Go cannot would be cached, with the right hash, and refused by each go command.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How far from the end of a file Go looks for the end record.
const SEARCHED: u64 = 65 << 10;

/// Bytes of the end record, without its comment.
const RECORD_SIZE: usize = 22;

/// Whether Go reads the directory that begins at `start`.
pub(super) fn is_directory_of_go(file: &File, start: u64) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let searched = SEARCHED.min(length);
    let mut tail = vec![0; usize::try_from(searched).unwrap_or_default()];
    file.read_exact_at(&mut tail, length - searched)?;
    let Some(at) = tail.windows(RECORD_SIZE).rposition(|record| record.starts_with(b"PK\x05\x06")) else {
        return Ok(false);
    };
    let number = |field: usize| u32::from_le_bytes(std::array::from_fn(|n| tail[at + field + n]));
    let comment = usize::from(tail[at + 20]) | usize::from(tail[at + 21]) << 8;
    if at + RECORD_SIZE + comment > tail.len() {
        return Ok(false);
    }
    let (entries, size, offset) = (number(8) >> 16, number(12), number(16));
    // Another record has the numbers that are too large for this one.
    if entries == 0xffff || size == 0xffff || offset == u32::MAX {
        return Ok(true);
    }
    let mut signature = [0; 4];
    let is_entry = file.read_exact_at(&mut signature, offset.into()).is_ok() && &signature == b"PK\x01\x02";
    let before_end = (length - searched + at as u64).checked_sub(size.into());
    Ok(Some(start) == before_end || is_entry && start == u64::from(offset))
}

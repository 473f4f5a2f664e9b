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

/// Bytes of the record before it that leads to the one for large numbers.
const LOCATOR_SIZE: usize = 20;

/// Whether Go reads the directory that begins at `start` and has so many entries.
pub(super) fn is_directory_of_go(file: &File, start: u64, entries: usize) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(SEARCHED);
    let mut tail = vec![0; usize::try_from(length - from).unwrap_or_default()];
    file.read_exact_at(&mut tail, from)?;
    let Some(at) = tail.windows(RECORD_SIZE).rposition(|record| record.starts_with(b"PK\x05\x06")) else {
        return Ok(false);
    };
    let short = |field: usize| u16::from_le_bytes([tail[at + field], tail[at + field + 1]]);
    let long = |field: usize| u64::from(short(field)) | u64::from(short(field + 2)) << 16;
    if at + RECORD_SIZE + usize::from(short(20)) > tail.len() {
        return Ok(false);
    }
    let (count, size, offset) = (short(10), long(12), long(16));
    // Numbers that are too large for this record are in another one, which the library reads.
    let may_be_large = count == u16::MAX || size == u64::from(u16::MAX) || offset == u64::from(u32::MAX);
    if may_be_large && at >= LOCATOR_SIZE && tail[at - LOCATOR_SIZE..].starts_with(b"PK\x06\x07") {
        return Ok(entries >= usize::from(u16::MAX));
    }
    let Some(before_end) = (from + at as u64).checked_sub(size) else { return Ok(false) };
    // Something may be before the first member, and count for the offset or not.
    let mut signature = [0; 4];
    let counts =
        before_end > offset && file.read_exact_at(&mut signature, offset).is_ok() && &signature == b"PK\x01\x02";
    Ok(start == if counts { offset } else { before_end } && usize::from(count) == entries & 0xffff)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    /// A zip with two members, and where its directory begins.
    fn packed() -> (Vec<u8>, u64) {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["a", "b"] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
        }
        let zip = zip.finish().unwrap().into_inner();
        let start = zip.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        (zip, start as u64)
    }

    fn is_read_by_go(zip: &[u8], start: u64) -> bool {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(zip).unwrap();
        is_directory_of_go(&file, start, 2).unwrap()
    }

    // Each of these was tried with Go 1.26.
    #[test]
    fn a_directory_is_found_where_go_finds_it() {
        let (zip, start) = packed();
        assert!(is_read_by_go(&zip, start) && !is_read_by_go(&zip, start - 1));
        assert!(is_read_by_go(&[b"before".as_slice(), &zip].concat(), start + 6));
        assert!(is_read_by_go(&[&zip[..], &[0; 60_000]].concat(), start));
        // Go: "not a valid zip file", or of the last one that it is empty. The library finds all of it.
        let end = |comment: u16| [b"PK\x05\x06".as_slice(), &[0; 16], &comment.to_le_bytes()].concat();
        for after in [vec![0; 67_000], end(1), end(0xffff), end(0)] {
            assert!(!is_read_by_go(&[&zip[..], &after].concat(), start));
        }
    }

    #[test]
    fn a_changed_number_of_members_or_size_at_the_end_is_damage() {
        let (zip, start) = packed();
        for (from_end, bit) in [(12, 0x40), (12, 1), (11, 0x80), (9, 0x40), (8, 0x20), (7, 1), (7, 0x80)] {
            let mut changed = zip.clone();
            changed[zip.len() - from_end] ^= bit;
            assert!(!is_read_by_go(&changed, start), "{from_end} bytes before the end");
        }
    }
}

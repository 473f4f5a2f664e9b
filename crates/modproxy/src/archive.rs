//! Whether a zip file is whole, and is a module's: what the go command would find wrong with it on reading all of it, and what
//! a byte that changed on the way would show.
//!
//! The library unpacks and compares each member's CRC-32. It goes by the directory at the end, of two members with one name it
//! has the last, and it does not look at sizes, at what stands before a member, nor behind one: these are compared here.
//! Go's archive/zip has the same source of truth, the directory, and refuses other sizes and another CRC-32 behind a member
//! (reader.go `checksumReader`, Go 1.26).

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use zip::ZipArchive;
use zip::read::ZipFile;

use crate::fetch::MOST_ZIP;
use crate::path::{Version, is_below};
use crate::verify::{Damage, digest, rewound};

/// Hashes of the members by name. Sorted, as golang.org/x/mod/sumdb/dirhash `Hash1` has them.
pub(crate) type Hashes = BTreeMap<Vec<u8>, [u8; 32]>;

/// Whether a zip file is whole.
pub(crate) fn check(version: &Version, file: &fs::File) -> Result<(), Damage> {
    read_all(version, file, &mut |_, bytes| io::copy(bytes, &mut io::sink()).map(drop))
}

/// Hashes of the members of a zip file that is whole.
pub(crate) fn hashes(version: &Version, file: &fs::File) -> Result<Hashes, Damage> {
    let mut hashes = Hashes::new();
    read_all(version, file, &mut |name, bytes| {
        hashes.insert(name, digest(bytes)?);
        Ok(())
    })?;
    Ok(hashes)
}

/// What is done with a member: all of it is to be read.
type See<'a> = &'a mut dyn FnMut(Vec<u8>, &mut dyn Read) -> io::Result<()>;

/// Every name in it has to begin with the module and version (cmd/go/internal/modfetch/fetch.go `downloadZip`), and lead
/// nowhere else.
fn read_all(Version { module, version }: &Version, file: &fs::File, see: See<'_>) -> Result<(), Damage> {
    let left = Cell::new(DIRECTORY);
    let buffered = BufReader::with_capacity(BUFFER, rewound(file)?);
    let mut archive = ZipArchive::new(Metered { buffered, left: &left })?;
    left.set(u64::MAX);
    let prefix = format!("{module}@{version}/");
    let names = names(file, archive.central_directory_start())?;
    let is_its = |name: &Vec<u8>| name.strip_prefix(prefix.as_bytes()).is_some_and(is_below);
    if names.is_empty() || !names.iter().all(is_its) {
        return Err(Damage::Is("a zip file of another module"));
    }
    if names.len() != archive.len() {
        return Err(Damage::Is("a zip file whose directory is damaged"));
    }
    // What the directory says of a member's size may be anything, and members may overlap: what is unpacked is counted.
    let mut left = MOST_ZIP;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index)?;
        let name = member.name_raw().to_owned();
        check_surroundings(file, &member)?;
        let size = member.size();
        let mut bytes = (&mut member).take(left.min(size) + 1);
        let most = bytes.limit();
        see(name, &mut bytes)?;
        let unpacked = most - bytes.limit();
        left = left.checked_sub(unpacked).ok_or(Damage::Is("a zip file of more than a module may hold"))?;
        if unpacked != size {
            return Err(Damage::Is("a zip file with a member of another size than it says"));
        }
    }
    Ok(())
}

/// Largest directory, in bytes, that is read: the library keeps all of it, with some five times as much for each entry. A Go
/// toolchain has 14,000 files and a directory of 1.5 MB.
const DIRECTORY: u64 = 16 << 20;

/// The library looks for its place before each entry and each member, which empties a buffer: more than an entry has is read
/// for nothing.
const BUFFER: usize = 1 << 10;

/// A file of which so much may be read.
struct Metered<'a> {
    buffered: BufReader<&'a fs::File>,
    left: &'a Cell<u64>,
}

impl Read for Metered<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.buffered.read(piece)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| io::Error::other("its directory is too large"))?);
        Ok(read)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.buffered.seek(to)
    }
}

/// The names in the directory that begins at `at`, each one once, read up to the first entry that is none, as Go reads it
/// (archive/zip/reader.go `init`). Go's own are spelled as here; the library has them from other fields of an entry too.
fn names(file: &fs::File, mut at: u64) -> Result<BTreeSet<Vec<u8>>, Damage> {
    let mut names = BTreeSet::new();
    loop {
        let mut entry = [0; ENTRY];
        let is_entry = match file.read_exact_at(&mut entry, at) {
            Ok(()) => entry.starts_with(b"PK\x01\x02"),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => false,
            Err(e) => return Err(e.into()),
        };
        if !is_entry {
            return Ok(names);
        }
        let [name, extra, comment] = [28, 30, 32].map(|field| number(&entry, field));
        if !names.insert(bytes(file, at + ENTRY as u64, name)?) {
            return Err(Damage::Is("a zip file with two members of one name"));
        }
        at += ENTRY as u64 + u64::from(name) + u64::from(extra) + u64::from(comment);
    }
}

/// Bytes of an entry of the directory, and of what stands before a member, without names.
const ENTRY: usize = 46;
const HEAD: usize = 30;

/// The bit of a member's flags for "its CRC-32 stands behind it".
const BEHIND: u16 = 8;

/// Compares what stands before and behind a member with the directory.
fn check_surroundings<R: Read>(file: &fs::File, member: &ZipFile<'_, R>) -> Result<(), Damage> {
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, member.header_start())?;
    let name = bytes(file, member.header_start() + HEAD as u64, number(&head, 26))?;
    let crc = member.crc32().to_le_bytes();
    let mut entry = [0; ENTRY];
    file.read_exact_at(&mut entry, member.central_header_start())?;
    let crc_is_right = match member.data_start() {
        Some(start) if number(&entry, 8) & BEHIND != 0 => {
            // With or without a mark before it (APPNOTE.TXT 4.3.9.3).
            let behind = bytes(file, start + member.compressed_size(), 8)?;
            behind.strip_prefix(b"PK\x07\x08").unwrap_or(&behind).starts_with(&crc)
        }
        _ => head[14..18] == crc,
    };
    if name == member.name_raw() && crc_is_right {
        return Ok(());
    }
    Err(Damage::Is("a zip file whose directory is not that of its members"))
}

fn number(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn bytes(file: &fs::File, at: u64, length: u16) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length.into()];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::CompressionMethod;
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    const NAME: &str = "example.test/dep@v1.0.0/dep.go";
    const TEXT: &[u8] = b"package dep // these bytes are as they are, are as they are, are as they are\n";

    fn read(bytes: &[u8]) -> Result<Hashes, Damage> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        hashes(&Version { module: "example.test/dep".into(), version: "v1.0.0".into() }, &file)
    }

    fn packed(method: CompressionMethod, members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// As Go's archive/zip writes it: sizes and CRC-32 behind the member.
    fn streamed() -> Vec<u8> {
        let mut zip = ZipWriter::new_stream(Vec::new());
        zip.start_file(NAME, SimpleFileOptions::default()).unwrap();
        zip.write_all(TEXT).unwrap();
        zip.finish().unwrap().into_inner()
    }

    fn all() -> Vec<Vec<u8>> {
        let members: &[(&str, &[u8])] = &[(NAME, TEXT), ("example.test/dep@v1.0.0/empty", b"")];
        let mut commented = ZipWriter::new(Cursor::new(Vec::new()));
        commented.set_comment("of more than one line\n\n").unwrap();
        commented.add_directory("example.test/dep@v1.0.0/dir/", SimpleFileOptions::default()).unwrap();
        commented.start_file(NAME, SimpleFileOptions::default().large_file(true)).unwrap(); // zip64
        commented.write_all(TEXT).unwrap();
        let commented = commented.finish().unwrap().into_inner();
        vec![
            packed(CompressionMethod::Stored, members),
            packed(CompressionMethod::Deflated, members),
            streamed(),
            commented,
        ]
    }

    #[test]
    fn whole_ones_are_read() {
        let hash: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(TEXT).into();
        for zip in all() {
            assert_eq!(read(&zip).unwrap()[NAME.as_bytes()], hash);
        }
    }

    #[test]
    fn many_members_are_no_large_directory() {
        let names: Vec<_> = (0..5000).map(|n| format!("example.test/dep@v1.0.0/{n}.go")).collect();
        let members: Vec<_> = names.iter().map(|name| (name.as_str(), TEXT)).collect();
        assert_eq!(read(&packed(CompressionMethod::Deflated, &members)).unwrap().len(), 5000);
    }

    #[test]
    fn no_cut_is_whole() {
        for zip in all() {
            for length in 0..zip.len() {
                assert!(read(&zip[..length]).is_err(), "{length} of {}", zip.len());
            }
        }
    }

    #[test]
    fn no_changed_byte_makes_another_module() {
        for zip in all() {
            let whole = read(&zip).unwrap();
            for at in 0..zip.len() {
                for change in [1, 0x20, 0xff] {
                    let mut changed = zip.clone();
                    changed[at] ^= change;
                    // Some bytes say nothing of the contents: times, the comment.
                    if let Ok(found) = read(&changed) {
                        assert_eq!(found, whole, "byte {at} of {}", zip.len());
                    }
                }
            }
        }
    }

    /// Changes all places where some bytes stand, or the last of them alone, which is in the directory.
    fn changed(zip: &[u8], from: &[u8], to: &[u8], everywhere: bool) -> Vec<u8> {
        let mut zip = zip.to_vec();
        let places: Vec<_> = (0..zip.len()).filter(|&at| zip[at..].starts_with(from)).collect();
        assert!(places.len() > 1 && from.len() == to.len(), "{places:?}");
        for &at in if everywhere { &places[..] } else { &places[places.len() - 1..] } {
            zip[at..at + to.len()].copy_from_slice(to);
        }
        zip
    }

    #[test]
    fn a_directory_that_is_not_that_of_its_members_is_damage() {
        let zip = packed(CompressionMethod::Stored, &[(NAME, TEXT), ("example.test/dep@v1.0.0/den.go", TEXT)]);
        let twice = changed(&zip, b"den.go", b"dep.go", true);
        assert!(matches!(read(&twice), Err(Damage::Is("a zip file with two members of one name"))));
        let renamed = changed(&zip, b"den.go", b"der.go", false);
        assert!(matches!(read(&renamed), Err(Damage::Is("a zip file whose directory is not that of its members"))));
        assert!(read(&changed(&zip, b"den.go", b"der.go", true)).is_ok(), "in both places it is its name");
        let out = changed(&zip, b"/den.go", b"/../x.y", true);
        assert!(matches!(read(&out), Err(Damage::Is("a zip file of another module"))));
        let other = changed(&zip, b"v1.0.0/den", b"v1.0.1/den", true);
        assert!(matches!(read(&other), Err(Damage::Is("a zip file of another module"))));
        let crc = crc32_of(&zip);
        let sum = changed(&zip, &crc, &[1, 2, 3, 4], true);
        assert!(matches!(read(&sum), Err(Damage::Read(_))), "the contents have another checksum");
        // The directory says one more, or one less, than there is.
        let end = zip.len() - 22;
        for count in [1, 3] {
            let mut miscounted = zip.clone();
            (miscounted[end + 8], miscounted[end + 10]) = (count, count);
            assert!(read(&miscounted).is_err(), "{count}");
        }
        assert!(read(&packed(CompressionMethod::Stored, &[])).is_err(), "empty");
        assert!(read(b"<html></html>").is_err());
    }

    /// As it stands before the first member.
    fn crc32_of(zip: &[u8]) -> [u8; 4] {
        zip[14..18].try_into().unwrap()
    }

    #[test]
    fn a_directory_that_would_take_much_memory_is_not_read() {
        let names: Vec<_> = (0..300).map(|n| format!("example.test/dep@v1.0.0/{n}{}", "x".repeat(60_000))).collect();
        let members: Vec<_> = names.iter().map(|name| (name.as_str(), TEXT)).collect();
        let much = read(&packed(CompressionMethod::Stored, &members)).unwrap_err();
        assert!(much.to_string().contains("its directory is too large"), "{much}");
    }

    #[test]
    fn a_size_that_is_not_the_members_is_damage() {
        let zip = packed(CompressionMethod::Deflated, &[(NAME, TEXT)]);
        let size = u32::try_from(TEXT.len()).unwrap();
        for said in [size - 1, size + 1, u32::MAX - 1] {
            let wrong = changed(&zip, &size.to_le_bytes(), &said.to_le_bytes(), true);
            assert!(matches!(read(&wrong), Err(Damage::Is(_))), "{said}");
        }
    }
}

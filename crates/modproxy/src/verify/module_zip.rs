//! Checks that a zip file is whole and is a module's. It finds what the go command would find on reading all of it, and bytes
//! that changed on the way.
//!
//! The zip library unpacks each member and compares its CRC-32. It uses the directory at the end, takes the last of two members
//! with one name, and ignores the sizes and the headers before and after a member: these are compared here. Go's archive/zip
//! also uses the directory, and refuses other sizes and another CRC-32 after a member (reader.go `checksumReader`, Go 1.26).

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use zip::ZipArchive;
use zip::read::ZipFile;

use crate::limits::MAX_ZIP_SIZE;
use crate::resource::{ModuleVersion, is_below};

use super::content::{digest, rewound};
use super::damage::Damage;
use super::zip_end::is_directory_of_go;

/// Hashes of the members by name, in the order of golang.org/x/mod/sumdb/dirhash `Hash1`.
pub(crate) type Hashes = BTreeMap<Vec<u8>, [u8; 32]>;

/// Whether a zip file is whole.
pub(crate) fn check(version: &ModuleVersion, file: &fs::File) -> Result<(), Damage> {
    read_all(version, file, MAX_ZIP_SIZE, &mut |_, bytes| io::copy(bytes, &mut io::sink()).map(drop))
}

/// Hashes of the members of a whole zip file.
pub(crate) fn hashes(version: &ModuleVersion, file: &fs::File) -> Result<Hashes, Damage> {
    let mut hashes = Hashes::new();
    read_all(version, file, MAX_ZIP_SIZE, &mut |name, bytes| {
        hashes.insert(name, digest(bytes)?);
        Ok(())
    })?;
    Ok(hashes)
}

/// What is done with a member. It has to read all of it.
type Visit<'a> = &'a mut dyn FnMut(Vec<u8>, &mut dyn Read) -> io::Result<()>;

/// Reads all members. Every name has to begin with the module and version (cmd/go/internal/modfetch/fetch.go `downloadZip`), and
/// must not lead out of their directory.
fn read_all(
    ModuleVersion { module, version }: &ModuleVersion,
    file: &fs::File,
    max_unpacked: u64,
    visit: Visit<'_>,
) -> Result<(), Damage> {
    let left = Cell::new(MAX_DIRECTORY_SIZE);
    let buffered = BufReader::with_capacity(BUFFER_SIZE, rewound(file)?);
    let mut archive = ZipArchive::new(LimitedReader { buffered, left: &left })?;
    left.set(u64::MAX);
    let prefix = format!("{module}@{version}/");
    let directory = archive.central_directory_start();
    let names = names(file, directory)?;
    let is_inside = |name: &Vec<u8>| name.strip_prefix(prefix.as_bytes()).is_some_and(is_below);
    if names.is_empty() || !names.iter().all(is_inside) {
        return Err(Damage::Is("a zip file of another module"));
    }
    if !is_directory_of_go(file, directory, names.len())? {
        return Err(Damage::Is("a zip file whose end Go does not find"));
    }
    if names.len() != archive.len() {
        return Err(Damage::Is("a zip file whose directory is damaged"));
    }
    // The sizes in the directory may be wrong, and members may overlap: the unpacked bytes are counted.
    let mut left = max_unpacked;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index)?;
        let name = member.name_raw().to_owned();
        check_headers(file, &member)?;
        let size = member.size();
        let mut bytes = (&mut member).take(left.min(size) + 1);
        let limit = bytes.limit();
        visit(name, &mut bytes)?;
        let unpacked = limit - bytes.limit();
        left = left.checked_sub(unpacked).ok_or(Damage::Is("a zip file with more data than a module may have"))?;
        if unpacked != size {
            return Err(Damage::Is("a zip file with a member whose size differs from its directory"));
        }
    }
    Ok(())
}

/// Largest directory that is read, in bytes: the library keeps all of it and needs about five times its size. A Go toolchain
/// has 14,000 files and a directory of 1.5 MB.
const MAX_DIRECTORY_SIZE: u64 = 16 << 20;

/// The library seeks before each entry and each member, which empties the buffer: a buffer larger than an entry would be read
/// in vain.
const BUFFER_SIZE: usize = 1 << 10;

/// A file of which a limited number of bytes may be read.
struct LimitedReader<'a> {
    buffered: BufReader<&'a fs::File>,
    left: &'a Cell<u64>,
}

impl Read for LimitedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.buffered.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| io::Error::other("its directory is too large"))?);
        Ok(read)
    }
}

impl Seek for LimitedReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.buffered.seek(to)
    }
}

/// The names in the directory that begins at `at`, read up to the first bytes that are no entry, as Go reads it
/// (archive/zip/reader.go `init`). A name that stands twice is an error. The library may take names from other fields of an
/// entry; Go does not.
fn names(file: &fs::File, mut at: u64) -> Result<BTreeSet<Vec<u8>>, Damage> {
    let mut names = BTreeSet::new();
    loop {
        let mut entry = [0; ENTRY_SIZE];
        let is_entry = match file.read_exact_at(&mut entry, at) {
            Ok(()) => entry.starts_with(b"PK\x01\x02"),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => false,
            Err(e) => return Err(e.into()),
        };
        if !is_entry {
            return Ok(names);
        }
        let [name, extra, comment] = [28, 30, 32].map(|field| number(&entry, field));
        if !names.insert(bytes(file, at + ENTRY_SIZE as u64, name)?) {
            return Err(Damage::Is("a zip file with two members of one name"));
        }
        at += ENTRY_SIZE as u64 + u64::from(name) + u64::from(extra) + u64::from(comment);
    }
}

/// Bytes of an entry of the directory, and of the header before a member, without names.
const ENTRY_SIZE: usize = 46;
const HEADER_SIZE: usize = 30;

/// The flag of a member for "its CRC-32 stands after its data".
const HAS_DATA_DESCRIPTOR: u16 = 8;

/// Compares the headers before and after a member with the directory.
fn check_headers<R: Read>(file: &fs::File, member: &ZipFile<'_, R>) -> Result<(), Damage> {
    let mut header = [0; HEADER_SIZE];
    file.read_exact_at(&mut header, member.header_start())?;
    let name = bytes(file, member.header_start() + HEADER_SIZE as u64, number(&header, 26))?;
    let crc = member.crc32().to_le_bytes();
    let mut entry = [0; ENTRY_SIZE];
    file.read_exact_at(&mut entry, member.central_header_start())?;
    let crc_is_right = match member.data_start() {
        Some(start) if number(&entry, 8) & HAS_DATA_DESCRIPTOR != 0 => {
            // With or without a signature before it (APPNOTE.TXT 4.3.9.3).
            let after = bytes(file, start + member.compressed_size(), 8)?;
            after.strip_prefix(b"PK\x07\x08").unwrap_or(&after).starts_with(&crc)
        }
        _ => header[14..18] == crc,
    };
    if name == member.name_raw() && crc_is_right {
        return Ok(());
    }
    Err(Damage::Is("a zip file whose directory differs from its members"))
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
        hashes(&ModuleVersion { module: "example.test/dep".into(), version: "v1.0.0".into() }, &file)
    }

    fn packed(method: CompressionMethod, members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// As Go's archive/zip writes it: sizes and CRC-32 after the member.
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
    fn whole_files_are_read() {
        let hash: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(TEXT).into();
        for zip in all() {
            assert_eq!(read(&zip).unwrap()[NAME.as_bytes()], hash);
        }
    }

    #[test]
    fn a_file_with_many_members_is_read() {
        let names: Vec<_> = (0..5000).map(|n| format!("example.test/dep@v1.0.0/{n}.go")).collect();
        let members: Vec<_> = names.iter().map(|name| (name.as_str(), TEXT)).collect();
        assert_eq!(read(&packed(CompressionMethod::Deflated, &members)).unwrap().len(), 5000);
    }

    #[test]
    fn a_file_that_was_cut_is_damaged() {
        for zip in all() {
            for length in 0..zip.len() {
                assert!(read(&zip[..length]).is_err(), "{length} of {}", zip.len());
            }
        }
    }

    #[test]
    fn a_changed_byte_never_gives_other_contents() {
        for zip in all() {
            let whole = read(&zip).unwrap();
            for at in 0..zip.len() {
                for change in [1, 0x20, 0xff] {
                    let mut changed = zip.clone();
                    changed[at] ^= change;
                    // Some bytes have no influence on the contents: times, the comment.
                    if let Ok(found) = read(&changed) {
                        assert_eq!(found, whole, "byte {at} of {}", zip.len());
                    }
                }
            }
        }
    }

    /// Replaces some bytes at all their places, or at the last one only, which is in the directory.
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
    fn a_directory_that_differs_from_its_members_is_damage() {
        let zip = packed(CompressionMethod::Stored, &[(NAME, TEXT), ("example.test/dep@v1.0.0/den.go", TEXT)]);
        let twice = changed(&zip, b"den.go", b"dep.go", true);
        assert!(matches!(read(&twice), Err(Damage::Is("a zip file with two members of one name"))));
        let renamed = changed(&zip, b"den.go", b"der.go", false);
        assert!(matches!(read(&renamed), Err(Damage::Is("a zip file whose directory differs from its members"))));
        assert!(read(&changed(&zip, b"den.go", b"der.go", true)).is_ok(), "the name is the same in both places");
        let out = changed(&zip, b"/den.go", b"/../x.y", true);
        assert!(matches!(read(&out), Err(Damage::Is("a zip file of another module"))));
        let other = changed(&zip, b"v1.0.0/den", b"v1.0.1/den", true);
        assert!(matches!(read(&other), Err(Damage::Is("a zip file of another module"))));
        let crc = crc32_of(&zip);
        let sum = changed(&zip, &crc, &[1, 2, 3, 4], true);
        assert!(matches!(read(&sum), Err(Damage::Read(_))), "the contents have another checksum");
        // The directory counts one member more, or one less, than there are.
        let end = zip.len() - 22;
        for count in [1, 3] {
            let mut miscounted = zip.clone();
            (miscounted[end + 8], miscounted[end + 10]) = (count, count);
            assert!(read(&miscounted).is_err(), "{count}");
        }
        assert!(read(&packed(CompressionMethod::Stored, &[])).is_err(), "empty");
        assert!(read(b"<html></html>").is_err());
    }

    /// The CRC-32 in the header before the first member.
    fn crc32_of(zip: &[u8]) -> [u8; 4] {
        zip[14..18].try_into().unwrap()
    }

    #[test]
    fn a_directory_that_needs_much_memory_is_not_read() {
        let names: Vec<_> = (0..300).map(|n| format!("example.test/dep@v1.0.0/{n}{}", "x".repeat(60_000))).collect();
        let members: Vec<_> = names.iter().map(|name| (name.as_str(), TEXT)).collect();
        let error = read(&packed(CompressionMethod::Stored, &members)).unwrap_err();
        assert!(error.to_string().contains("its directory is too large"), "{error}");
    }

    #[test]
    fn a_wrong_size_of_a_member_is_damage() {
        let zip = packed(CompressionMethod::Deflated, &[(NAME, TEXT)]);
        let size = u32::try_from(TEXT.len()).unwrap();
        for wrong_size in [size - 1, size + 1, u32::MAX - 1] {
            let wrong = changed(&zip, &size.to_le_bytes(), &wrong_size.to_le_bytes(), true);
            assert!(matches!(read(&wrong), Err(Damage::Is(_))), "{wrong_size}");
        }
    }
    /// As a bomb of zeros, whose sizes are as its directory says.
    #[test]
    fn more_data_than_a_module_may_have_is_damage() {
        let zip = packed(CompressionMethod::Deflated, &[(NAME, &[0; 5000]), ("example.test/dep@v1.0.0/b", &[0; 5000])]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&zip).unwrap();
        let version = ModuleVersion { module: "example.test/dep".into(), version: "v1.0.0".into() };
        let unpacked = |limit: u64| {
            let mut bytes = 0;
            let read = read_all(&version, &file, limit, &mut |_, member| {
                bytes += io::copy(member, &mut io::sink())?;
                Ok(())
            });
            (read, bytes)
        };
        assert!(matches!(unpacked(10_000), (Ok(()), 10_000)));
        for limit in [4999, 9999] {
            let (read, bytes) = unpacked(limit);
            assert!(matches!(read, Err(Damage::Is("a zip file with more data than a module may have"))));
            assert_eq!(bytes, limit + 1, "no more is unpacked");
        }
    }

    /// A member with this number in a field of both of its headers.
    fn with_field(field: usize, number: u16) -> Vec<u8> {
        let mut zip = packed(CompressionMethod::Stored, &[(NAME, TEXT)]);
        let entry = (0..zip.len()).find(|&at| zip[at..].starts_with(b"PK\x01\x02")).unwrap();
        for at in [field, entry + field + 2] {
            zip[at..at + 2].copy_from_slice(&number.to_le_bytes());
        }
        zip
    }

    #[test]
    fn a_member_that_is_encrypted_or_packed_in_an_unknown_way_is_damage() {
        assert!(read(&with_field(8, 0)).is_ok());
        for method in [1, 9, 12, 14, 93, 95, 98, 99, 0xffff] {
            assert!(read(&with_field(8, method)).is_err(), "{method}");
        }
        assert!(read(&with_field(6, 1)).is_err(), "encrypted");
    }

    #[test]
    fn what_is_before_or_after_a_zip_gives_no_other_contents() {
        let (zip, page) = (packed(CompressionMethod::Stored, &[(NAME, TEXT)]), b"<html>PK\x05\x06</html>".as_slice());
        let other = packed(CompressionMethod::Stored, &[(NAME, b"package evil\n")]);
        for around in [[page, &zip].concat(), [&zip, page].concat(), [&other[..], &zip].concat()] {
            assert_eq!(read(&around).unwrap(), read(&zip).unwrap());
        }
    }
}

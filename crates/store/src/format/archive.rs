//! What a compiled Go package contains about itself: its import path, what it imports, how it was compiled, and the two halves of its
//! build id. Pure: generic over how its bytes are read. Client and daemon share it. What made its members, members.rs tells.
//!
//! An archive holds `__.PKGDEF` (a line with the toolchain, a line with the build id) and `_go_.o`, an object of the format in
//! cmd/internal/obj/objfile.go and cmd/internal/goobj/objfile.go, which is the same in Go 1.20 to 1.27. A build made the file, so
//! that every length is checked; what makes no sense is no archive.

use std::io;

pub use crate::format::members::{MadeBy, made_by};
use crate::format::members::{Member, first_member};

/// What is read of an object for its texts, and for the symbols without a package. A package with longer ones is not described. The largest
/// of Go's own, cmd/compile/internal/ssa, has 2.5 MB of texts.
const MOST: usize = 4 << 20;

/// Read at first: the tables come before the code.
const FIRST: usize = 64 << 10;

/// Longest name in characters, and most names of each kind. What is beyond is left out.
pub const LONGEST: usize = 512;
const MOST_NAMES: usize = 4096;

/// A compiled package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// System, architecture, release and what changes the compiler: `linux amd64 go1.26.8 GOAMD64=v1 X:…`.
    pub go: String,
    /// The import path; `main` for a program.
    pub path: String,
    /// The build id's first half: the action as cmd/go shortens it.
    pub action: String,
    /// The build id's second half: the content, by which dependents know the package.
    pub content: String,
    /// Flags that the compiler was run with, as it notes them for debuggers.
    pub flags: String,
    /// A package of the standard library.
    pub is_std: bool,
    /// Of what it exports.
    pub fingerprint: u64,
    /// What it imports, by path and fingerprint.
    pub imports: Vec<(String, u64)>,
    /// Files that its code comes from, its own and those of functions that were inlined.
    pub files: Vec<String>,
}

const OBJECT: &[u8] = b"\n!\n\0go120ld";
const OBJECT_MAGIC: usize = 8;
const STD: u32 = 1 << 4;

/// Blocks of an object, by their place in the header's list of offsets.
const AUTOLIB: usize = 0;
const PACKAGES: usize = 1;
const FILES: usize = 2;
const SYMBOLS: usize = 3;
const NON_PACKAGE_SYMBOLS: usize = 6;
const NON_PACKAGE_REFERENCES: usize = 7;
const DATA_INDEX: usize = 13;
const DATA: usize = 16;
const BLOCKS: usize = 19;
const SYMBOL: usize = 21;

/// The symbol in which the compiler notes its flags (cmd/compile/internal/dwarfgen `RecordFlags`); its name ends with the path.
const PRODUCER: &[u8] = b"go:cuinfo.producer.";

impl Archive {
    /// Reads one; `None` for anything else. `read` fills a buffer from a place of it.
    pub fn read(read: &impl Fn(&mut [u8], u64) -> io::Result<()>) -> Option<Self> {
        let package = Member::read(read, first_member(read)?).filter(|member| member.is_named(b"__.PKGDEF"))?;
        let mut lines = vec![0; usize::try_from(package.size).ok()?.min(2048)];
        read(&mut lines, package.start).ok()?;
        let mut archive = described(&lines)?;
        let object = Member::read(read, package.next()?).filter(|member| member.is_named(b"_go_.o"))?;
        Object::read(read, &object)?.describe(read, &mut archive);
        (!archive.path.is_empty()).then_some(archive)
    }

    /// Bytes of memory that it takes, about.
    pub fn weight(&self) -> usize {
        const STRING: usize = 32;
        let imports = self.imports.iter().map(|(path, _)| path.len() + STRING + 8);
        let files = self.files.iter().map(|file| file.len() + STRING);
        imports.chain(files).sum::<usize>() + 512
    }
}

/// The lines before the export data.
fn described(text: &[u8]) -> Option<Archive> {
    let mut lines = text.split(|&byte| byte == b'\n').map(|line| str::from_utf8(line).unwrap_or_default());
    let go = lines.next()?.strip_prefix("go object ")?;
    let id = lines.next()?.strip_prefix("build id \"")?.strip_suffix('"')?;
    let (action, content) = id.split_once('/')?;
    Some(Archive { go: cut(go), action: cut(action), content: cut(content), ..Archive::default() })
}

/// An object's tables.
struct Object {
    /// From the magic on: texts, and the blocks before the symbols.
    bytes: Vec<u8>,
    /// The block of symbols without a package.
    others: Vec<u8>,
    /// Where that is in the file.
    start: u64,
    offsets: [usize; BLOCKS],
}

impl Object {
    fn read(read: &impl Fn(&mut [u8], u64) -> io::Result<()>, member: &Member) -> Option<Self> {
        let size = usize::try_from(member.size).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size.min(FIRST)];
        read(&mut bytes, member.start).ok()?;
        // For cgo a section of JSON comes before.
        let magic = memchr::memmem::find(&bytes, OBJECT)? + OBJECT.len() - OBJECT_MAGIC;
        bytes.drain(..magic);
        let start = member.start + magic as u64;
        let mut offsets = [0; BLOCKS];
        for (n, offset) in offsets.iter_mut().enumerate() {
            *offset = number(&bytes, OBJECT_MAGIC + 12 + 4 * n)?;
        }
        let size = size.saturating_sub(magic);
        let wanted = offsets[SYMBOLS].min(MOST).min(size);
        if wanted > bytes.len() {
            let have = bytes.len();
            bytes.resize(wanted, 0);
            read(&mut bytes[have..], start + have as u64).ok()?;
        }
        let (from, to) = (offsets[NON_PACKAGE_SYMBOLS].min(size), offsets[NON_PACKAGE_REFERENCES].min(size));
        let mut others = vec![0; to.saturating_sub(from).min(MOST)];
        read(&mut others, start + from as u64).ok()?;
        Some(Self { bytes, others, start, offsets })
    }

    fn describe(&self, read: &impl Fn(&mut [u8], u64) -> io::Result<()>, archive: &mut Archive) {
        let flags = number(&self.bytes, OBJECT_MAGIC + 8).unwrap_or(0);
        archive.is_std = flags & STD as usize != 0;
        archive.fingerprint = self.fingerprint(OBJECT_MAGIC).unwrap_or(0);
        let imports = self.block(AUTOLIB, PACKAGES, 16);
        archive.imports = imports.filter_map(|at| Some((self.name(at)?, self.fingerprint(at + 8)?))).collect();
        archive.files = self.block(FILES, SYMBOLS, 8).filter_map(|at| self.name(at)).collect();
        let mut others = self.others.as_chunks::<SYMBOL>().0.iter().enumerate();
        let producer = others.find_map(|(n, symbol)| Some((n, self.text(symbol)?.strip_prefix(PRODUCER)?)));
        if let Some((n, path)) = producer {
            archive.path = cut(&String::from_utf8_lossy(path));
            let before = self.offsets[NON_PACKAGE_SYMBOLS].saturating_sub(self.offsets[SYMBOLS]) / SYMBOL;
            archive.flags = self.data(read, before + n).unwrap_or_default();
        }
    }

    /// A symbol's data, as text.
    fn data(&self, read: &impl Fn(&mut [u8], u64) -> io::Result<()>, symbol: usize) -> Option<String> {
        let mut index = [0; 8];
        let at = self.start + (self.offsets[DATA_INDEX] + 4 * symbol) as u64;
        read(&mut index, at).ok()?;
        let (from, to) = (number(&index, 0)?, number(&index, 4)?);
        let mut data = vec![0; to.checked_sub(from).filter(|&length| length <= LONGEST)?];
        read(&mut data, self.start + (self.offsets[DATA] + from) as u64).ok()?;
        Some(cut(&String::from_utf8_lossy(&data)))
    }

    /// The places of the first entries of a block.
    fn block(&self, first: usize, next: usize, size: usize) -> impl Iterator<Item = usize> + use<> {
        (self.offsets[first]..self.offsets[next].min(self.bytes.len())).step_by(size).take(MOST_NAMES)
    }

    fn fingerprint(&self, at: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at + 8)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    fn name(&self, at: usize) -> Option<String> {
        self.text(self.bytes.get(at..)?).map(|name| cut(&String::from_utf8_lossy(name)))
    }

    /// The text to which the reference at the beginning of these bytes refers.
    fn text(&self, reference: &[u8]) -> Option<&[u8]> {
        let (length, from) = (number(reference, 0)?, number(reference, 4)?);
        self.bytes.get(from..from.checked_add(length)?)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(|bytes| u32::from_le_bytes(bytes) as usize)
}

/// As much of it as is kept, without what is no letter.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `go build -trimpath -o greet.a ./greet` with Go 1.26.8, of a package that imports errors.
    const GREET: &[u8] = include_bytes!("../../tests/data/greet.a");

    fn reader(bytes: &[u8]) -> impl Fn(&mut [u8], u64) -> io::Result<()> {
        |into, at| {
            let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
            into.copy_from_slice(rest.get(..into.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }
    }

    fn read(bytes: &[u8]) -> Option<Archive> {
        Archive::read(&reader(bytes))
    }

    #[test]
    fn an_archive_is_described() {
        let archive = read(GREET).unwrap();
        assert_eq!(made_by(GREET.len() as u64, reader(GREET)), Some(MadeBy::Compiler));
        assert!(archive.go.starts_with("linux amd64 go1.26.8 GOAMD64=v1 X:"), "{}", archive.go);
        assert_eq!(
            (archive.path.as_str(), archive.flags.as_str(), archive.is_std),
            ("example.test/m/greet", "regabi", false)
        );
        assert_eq!(archive.imports.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["errors"]);
        assert!(archive.files.iter().any(|file| file == "example.test/m/greet/greet.go"), "{:?}", archive.files);
        assert_eq!((archive.action.len(), archive.content.len()), (20, 20));
    }

    /// The archive with so many symbols more.
    fn with_symbols(more: usize) -> Vec<u8> {
        let mut bytes = GREET.to_vec();
        let object = memchr::memmem::find(&bytes, OBJECT).unwrap() + OBJECT.len() - OBJECT_MAGIC;
        for block in SYMBOLS + 1..BLOCKS {
            let at = object + OBJECT_MAGIC + 12 + 4 * block;
            let offset = number(&bytes, at).unwrap() + more * SYMBOL;
            bytes[at..at + 4].copy_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
        }
        let header = memchr::memmem::find(&bytes, b"_go_.o").unwrap();
        let size: usize = str::from_utf8(&bytes[header + 48..header + 58]).unwrap().trim().parse().unwrap();
        bytes[header + 48..header + 58].copy_from_slice(format!("{:<10}", size + more * SYMBOL).as_bytes());
        let at = object + number(&bytes, object + OBJECT_MAGIC + 12 + 4 * SYMBOLS).unwrap();
        bytes.splice(at..at, vec![0; more * SYMBOL]);
        bytes
    }

    #[test]
    fn an_archive_with_many_symbols_is_described() {
        let (few, many) = (read(GREET).unwrap(), read(&with_symbols(MOST / SYMBOL + 1)).unwrap());
        assert_eq!((many.path, many.imports, many.files), (few.path, few.imports, few.files));
    }

    #[test]
    fn a_cut_or_changed_archive_does_no_harm() {
        for cut in 0..GREET.len() {
            drop(read(&GREET[..cut]));
        }
        for at in 0..GREET.len() {
            for value in [0, 0x7f, 0xff] {
                let mut changed = GREET.to_vec();
                changed[at] = value;
                if let Some(archive) = read(&changed) {
                    assert!(archive.path.len() <= 4 * LONGEST && archive.imports.len() <= MOST_NAMES);
                }
            }
        }
        assert_eq!(read(b"!<arch>\n"), None);
    }
}

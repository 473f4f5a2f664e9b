//! Keeps a list for a later go command of the same build. It is of use only where it was: a copy of the directory has other stamps.
//!
//! ```text
//! nix-gocacheprog files 6\n
//! <root> <exclusions> <rule> <whole or not> <began> <paths> <entries> <references> <blake3 of all before>
//! ```
//! Texts have their length before them; numbers are 8 bytes, little-endian; times are nanoseconds since 1970.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blake3::{Hash, Hasher};
use proto::id::hex;
use store::keep_newest;

use crate::condition::escapes::Reference;
use crate::condition::excluded::Excluded;
use crate::condition::stamp::Stamp;

use super::list::{Entry, FileList, Kind};
use super::rule::Rule;

const FIRST_LINE: &[u8] = b"nix-gocacheprog files 6\n";

/// A larger list is not kept: about 100,000 files.
const MAX_SIZE: u64 = 16 << 20;

/// How long it is remembered that a scope is too large.
const TOO_LARGE: Duration = Duration::from_secs(600);

/// Files that are kept, and their bytes: the newest. Outside of a build the directory stays, and each shell of Nix has a TMPDIR of its own,
/// for which nothing is found again.
const MOST_FILES: usize = 200;
const MOST_BYTES: u64 = 128 << 20;

/// Where lists are kept: a directory of one user.
#[derive(Debug)]
pub(crate) struct Memo {
    dir: PathBuf,
}

impl Memo {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The list that was kept for this root, whether or not it is current.
    pub(crate) fn load(&self, root: &Path, rule: Rule, excluded: &Excluded) -> Option<FileList> {
        let file = File::open(self.path(root, rule, excluded)).ok()?;
        read(BufReader::new(file.take(MAX_SIZE)), excluded).filter(|list| list.root == root && list.rule == rule)
    }

    /// Keeps a list. Where that fails, or it is too large, the next go command reads the files: false.
    pub(crate) fn keep(&self, list: &FileList, excluded: &Excluded) -> bool {
        self.write(&self.path(&list.root, list.rule, excluded), |file| write(list, excluded, file))
    }

    /// Remembers that a scope is too large.
    pub(crate) fn keep_too_large(&self, root: &Path, rule: Rule, excluded: &Excluded) {
        let _is_remembered = self.write(&self.too_large(root, rule, excluded), |_| Ok(()));
    }

    /// Whether a scope was too large some minutes ago.
    pub(crate) fn is_too_large(&self, root: &Path, rule: Rule, excluded: &Excluded, now: SystemTime) -> bool {
        let modified = fs::metadata(self.too_large(root, rule, excluded)).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age < TOO_LARGE))
    }

    fn write(&self, path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> bool {
        let write = || {
            fs::create_dir_all(&self.dir)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
            content(file.as_file_mut())?;
            let fits = file.as_file().metadata()?.len() <= MAX_SIZE;
            if fits {
                file.persist(path).map_err(|e| e.error)?;
            }
            keep_newest(&self.dir, MOST_FILES, MOST_BYTES)?; // also what a killed go command left
            Ok::<bool, io::Error>(fits)
        };
        write().unwrap_or(false)
    }

    fn path(&self, root: &Path, rule: Rule, excluded: &Excluded) -> PathBuf {
        let mut hasher = Hasher::new();
        hasher.update(root.as_os_str().as_bytes()).update(&[0, rule as u8]).update(excluded.digest().as_bytes());
        self.dir.join(hex(&hasher.finalize().as_bytes()[..16]))
    }

    fn too_large(&self, root: &Path, rule: Rule, excluded: &Excluded) -> PathBuf {
        self.path(root, rule, excluded).with_extension("too-large")
    }
}

/// Hashes what is written or read. A list is written and read piece by piece: it is large, and in memory already.
struct Hashed<T> {
    inner: T,
    hasher: Hasher,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: Hasher::new() }
    }
}

impl<W: Write> Hashed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }

    fn number(&mut self, number: u64) -> io::Result<()> {
        self.put(&number.to_le_bytes())
    }

    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.number(text.len() as u64)?;
        self.put(text)
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.put(&[entry.kind as u8])?;
        if let Some(stamp) = &entry.stamp {
            for number in [stamp.device, stamp.inode, nanoseconds(stamp.changed)] {
                self.number(number)?;
            }
        }
        self.put(entry.hash.as_bytes())
    }
}

fn write(list: &FileList, excluded: &Excluded, file: &mut File) -> io::Result<()> {
    let mut out = Hashed::new(BufWriter::new(file));
    out.put(FIRST_LINE)?;
    out.text(list.root.as_os_str().as_bytes())?;
    out.put(excluded.digest().as_bytes())?;
    out.put(&[list.rule as u8, u8::from(list.is_whole)])?;
    out.number(nanoseconds(list.began))?;
    out.text(&list.paths)?;
    out.number(list.entries.len() as u64)?;
    list.entries.iter().try_for_each(|entry| out.entry(entry))?;
    out.number(list.references.len() as u64)?;
    for (place, reference) in &list.references {
        out.number(u64::from(*place))?;
        let (tag, path) = tag(reference);
        out.put(&[tag])?;
        if let Reference::AboveLink(up, _) = reference {
            out.number(*up as u64)?;
        }
        out.text(path.as_os_str().as_bytes())?;
    }
    let checksum = out.hasher.finalize();
    out.inner.write_all(checksum.as_bytes())?;
    out.inner.flush()
}

fn read(file: impl Read, excluded: &Excluded) -> Option<FileList> {
    let mut rest = Hashed::new(file);
    if rest.array::<{ FIRST_LINE.len() }>()? != FIRST_LINE {
        return None;
    }
    let root = rest.path()?;
    if rest.array::<32>()? != *excluded.digest().as_bytes() {
        return None;
    }
    let rule = rest.array::<1>()?[0];
    let rule = Rule::ALL.into_iter().find(|one| *one as u8 == rule)?;
    let is_whole = rest.array::<1>()? == [1];
    let began = rest.time()?;
    let paths = rest.take_text()?;
    let mut entries = Vec::new();
    for _ in 0..rest.take_number()? {
        entries.push(rest.take_entry()?);
    }
    let mut references = Vec::new();
    for _ in 0..rest.take_number()? {
        let place = u32::try_from(rest.take_number()?).ok()?;
        references.push((place, rest.reference()?));
    }
    let checksum = rest.hasher.finalize();
    let is_intact = rest.array()? == *checksum.as_bytes()
        && rest.array::<1>().is_none()
        && memchr::memchr_iter(0, &paths).count() == entries.len();
    is_intact.then_some(FileList { root, rule, is_whole, began, paths, entries, references })
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn tag(reference: &Reference) -> (u8, &Path) {
    match reference {
        Reference::Certain(path) => (0, path),
        Reference::IfThere(path) => (1, path),
        Reference::IfFile(path) => (2, path),
        Reference::GoSource => (3, Path::new("")),
        Reference::Any => (4, Path::new("")),
        Reference::AboveLink(_, path) => (5, path),
        Reference::IfRun(path) => (6, path),
        Reference::Asked(path) => (7, path),
        Reference::Own(path) => (8, path),
    }
}

impl<R: Read> Hashed<R> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).ok()?;
        self.hasher.update(&bytes);
        Some(bytes)
    }

    fn take_number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn take_text(&mut self) -> Option<Vec<u8>> {
        let length = self.take_number()?;
        let mut text = Vec::new();
        self.inner.by_ref().take(length).read_to_end(&mut text).ok()?;
        self.hasher.update(&text);
        (text.len() as u64 == length).then_some(text)
    }

    fn path(&mut self) -> Option<PathBuf> {
        Some(PathBuf::from(std::ffi::OsString::from_vec(self.take_text()?)))
    }

    fn time(&mut self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_nanos(self.take_number()?))
    }

    fn take_entry(&mut self) -> Option<Entry> {
        let kind = *Kind::ALL.get(usize::from(self.array::<1>()?[0]))?;
        let has_stamp = !matches!(kind, Kind::Listed | Kind::Absent);
        let stamp = if has_stamp {
            Some(Stamp { device: self.take_number()?, inode: self.take_number()?, changed: self.time()? })
        } else {
            None
        };
        Some(Entry { kind, stamp, hash: Hash::from_bytes(self.array()?) })
    }

    fn reference(&mut self) -> Option<Reference> {
        let tag = self.array::<1>()?[0];
        let up = if tag == 5 { usize::try_from(self.take_number()?).ok()? } else { 0 };
        let path = self.path()?;
        Some(match tag {
            0 => Reference::Certain(path),
            1 => Reference::IfThere(path),
            2 => Reference::IfFile(path),
            3 => Reference::GoSource,
            4 => Reference::Any,
            5 => Reference::AboveLink(up, path),
            6 => Reference::IfRun(path),
            7 => Reference::Asked(path),
            8 => Reference::Own(path),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let memo = Memo::new(dir.path().join("memo"));
        for n in 0..MOST_FILES + 5 {
            let path = memo.dir.join(n.to_string());
            assert!(memo.write(&path, |file| file.write_all(b"x")));
            // As if it were older: files made within a tick have one time.
            File::options()
                .append(true)
                .open(&path)
                .unwrap()
                .set_modified(UNIX_EPOCH + Duration::from_secs(n as u64))
                .unwrap();
        }
        assert!(memo.write(&memo.dir.join("newest"), |file| file.write_all(b"x")));
        assert_eq!(fs::read_dir(&memo.dir).unwrap().count(), MOST_FILES);
        assert!(memo.dir.join("newest").exists() && !memo.dir.join("5").exists() && memo.dir.join("204").exists());
    }
}

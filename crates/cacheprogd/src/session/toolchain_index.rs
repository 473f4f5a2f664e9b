//! Proves that a module index is of the toolchain's own packages, by its key.
//!
//! The key of an index is made of its directory's path and of the names, sizes and mtimes of the files there, which proves nothing
//! about their content where every mtime is 1 ([`store::Kind::Mtime`]). But a path in the Nix store has one content. So an index is
//! shared with every build if its key can be computed from a directory of the toolchain in the store. What that means for sharing,
//! `share_policy.rs` decides.

use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use proto::ActionId;
use sha2::{Digest, Sha256};

use crate::limits::{GOROOT_DIRECTORY_ENTRIES, GOROOT_VERSION_BYTES};

/// Paths below this never change.
const STORE: &str = "/nix/store/";

/// The first line of an index, in the version whose layout is read here (cmd/go/internal/modindex/write.go, Go 1.21-1.27).
const HEAD: &str = "go index v2\n";

/// The mtime of a file in the store, in seconds, and as Go prints it (`time.Time.String`) where no time zone is set: in a sandbox.
const MTIME: i64 = 1;
const MTIME_TEXT: &str = "1970-01-01 00:00:01 +0000 UTC";

/// A toolchain's own sources.
#[derive(Debug)]
pub(crate) struct Goroot {
    /// Its modules: std, and the commands.
    modules: [PathBuf; 2],
    /// `runtime.Version()` of its go command.
    version: String,
}

impl Goroot {
    /// The toolchain at the path that the client names; `None` if it is not one in the store.
    pub(crate) fn in_store(path: &str) -> Option<Self> {
        if path.starts_with(STORE) { Self::open(Path::new(path)) } else { None }
    }

    fn open(path: &Path) -> Option<Self> {
        let file = path.join("VERSION");
        if !is_plain(path) || !fs::symlink_metadata(&file).ok()?.is_file() {
            return None;
        }
        let mut text = String::new();
        fs::File::open(file).ok()?.take(GOROOT_VERSION_BYTES).read_to_string(&mut text).ok()?;
        let version = text.lines().next()?.to_owned();
        let src = path.join("src");
        Some(Self { modules: [src.join("cmd"), src], version })
    }

    /// Whether this index has the key of a directory of the toolchain.
    pub(crate) fn has_index(&self, action: &ActionId, index: &[u8]) -> bool {
        let Some(dir) = directory(index) else { return false };
        self.modules.iter().any(|module| self.key(module, dir).as_ref() == Some(action))
    }

    /// The key of the index of a package, as cmd/go/internal/modindex/read.go `dirHash` and cmd/go/internal/cache/hash.go
    /// `NewHash` make it (Go 1.21-1.27), if every file there has the store's mtime.
    fn key(&self, module: &Path, dir: &Path) -> Option<ActionId> {
        let package = if dir == Path::new("") { module.to_owned() } else { module.join(dir) };
        if !is_plain(&package) {
            return None;
        }
        let (version, head) = (&self.version, HEAD.trim_end());
        let mut hash = Sha256::new().chain_update(version); // the salt
        hash.update(format!("modroot {}\n", module.to_str()?));
        hash.update(format!("package {version} {head} {}\n", package.to_str()?));
        for (name, size) in files(&package)? {
            hash.update(b"file ");
            hash.update(&name);
            hash.update(format!(" {MTIME_TEXT} {size}\n"));
        }
        Some(ActionId(hash.finalize().into()))
    }
}

/// Whether the path has no symbolic link in it.
fn is_plain(path: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|real| real.as_os_str() == path.as_os_str())
}

/// The files in a directory, by name, with their sizes; `None` where Go makes no index, or a file is not as the store has files.
fn files(dir: &Path) -> Option<Vec<(Vec<u8>, u64)>> {
    if is_writable(&fs::symlink_metadata(dir).ok()?) {
        return None;
    }
    let mut files = Vec::new();
    for (count, entry) in fs::read_dir(dir).ok()?.enumerate() {
        let entry = entry.ok()?;
        if count == GOROOT_DIRECTORY_ENTRIES {
            return None;
        }
        if entry.file_type().ok()?.is_dir() {
            continue;
        }
        let about = entry.metadata().ok()?; // of the link, where it is one
        if !about.is_file() || (about.mtime(), about.mtime_nsec()) != (MTIME, 0) || is_writable(&about) {
            return None;
        }
        files.push((entry.file_name().as_bytes().to_owned(), about.len()));
    }
    files.sort();
    Some(files)
}

/// A finished file in the store is not writable.
fn is_writable(about: &Metadata) -> bool {
    about.mode() & 0o222 != 0
}

/// The directory of an index of one package, below its module.
pub(crate) fn directory(index: &[u8]) -> Option<&Path> {
    Index(index).directory()
}

/// An index of one package, as cmd/go/internal/modindex/write.go `encodeModuleBytes` and `encodePackage` lay it out: numbers of
/// four bytes, which are offsets into the index, or into the strings at its end.
struct Index<'a>(&'a [u8]);

impl<'a> Index<'a> {
    /// Its directory below its module; `None` where it is not an index of one package, or records an error.
    fn directory(&self) -> Option<&'a Path> {
        let mut head = (HEAD.len()..).step_by(4);
        let mut next = || self.number(head.next()?);
        let (strings, packages, place, package) = (next()?, next()?, next()?, next()?);
        if !self.0.starts_with(HEAD.as_bytes()) || packages != 1 || self.has_error(package)? {
            return None;
        }
        let text = string(self.0.get(strings..)?.get(place..)?)?;
        let dir = Path::new(str::from_utf8(text).ok()?);
        // A path that leads up or begins at the root would lead out of the toolchain.
        dir.components().all(|part| matches!(part, Component::Normal(_))).then_some(dir)
    }

    /// Whether it records that the package, or a file of it, could not be read or parsed. Go puts such an index too, and the next
    /// build may have more descriptors or memory. Without an error the offset is 0, of the empty string.
    fn has_error(&self, package: usize) -> Option<bool> {
        let files = self.number(package.checked_add(8)?)?;
        if files > GOROOT_DIRECTORY_ENTRIES {
            return None;
        }
        let mut has_error = self.number(package)? != 0;
        for n in 0..files {
            let file = self.number(package.checked_add(12 + 4 * n)?)?;
            has_error |= self.number(file)? != 0 || self.number(file.checked_add(4)?)? != 0;
        }
        Some(has_error)
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.0.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    }
}

/// A string after its length as binary.AppendUvarint writes it. No path needs a length of three bytes.
fn string(text: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = text.split_first()?;
    let (length, rest) = match usize::from(first) {
        short @ 0..0x80 => (short, rest),
        low => {
            let (&high, rest) = rest.split_first().filter(|&(&high, _)| high < 0x80)?;
            (usize::from(high) << 7 | low & 0x7f, rest)
        }
    };
    rest.get(..length)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    /// As cmd/go writes one of a package with two files, as far as it is read here: with errors of reading the package, of
    /// reading the second file, and of parsing that.
    fn with_errors(dir: &str, errors: [u32; 3]) -> Vec<u8> {
        let length = u8::try_from(dir.len()).unwrap();
        let strings = [b"\0", &[length][..], dir.as_bytes(), b"\xff"].concat();
        let head = [64, 1, 1, 28];
        let package = [errors[0], 1, 2, 48, 56];
        let files = [0, 0, errors[1], errors[2]];
        let numbers = [&head[..], &package, &files].concat().into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        [HEAD.as_bytes(), &numbers, &strings].concat()
    }

    fn index(dir: &str) -> Vec<u8> {
        with_errors(dir, [0; 3])
    }

    fn write(path: &Path, text: &str, mtime: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(mtime));
        let file = File::open(path).unwrap();
        file.set_times(times).unwrap();
        file.set_permissions(Permissions::from_mode(0o444)).unwrap();
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn toolchain() -> (tempfile::TempDir, Goroot) {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("VERSION"), "go1.26.8\ntime 2026\n", 1);
        write(&dir.path().join("src/fmt/print.go"), "package fmt\n", 1);
        write(&dir.path().join("src/fmt/errors.go"), "package fmt // longer\n", 1);
        write(&dir.path().join("src/fmt/testdata/x"), "", 99);
        write(&dir.path().join("src/cmd/doc.go"), "package cmd\n", 1);
        write(&dir.path().join("src/cmd/go/main.go"), "package main\n", 1);
        for sub in ["fmt", "cmd", "cmd/go"] {
            chmod(&dir.path().join("src").join(sub), 0o555);
        }
        let goroot = Goroot::open(dir.path()).unwrap();
        (dir, goroot)
    }

    /// What cmd/go hashes, written out (GODEBUG=gocachehash=1 shows it).
    fn key(root: &Path, module: &str, package: &str, files: &[&str]) -> ActionId {
        let root = root.display();
        let files: String = files.iter().map(|file| format!("file {file}\n")).collect();
        let text =
            format!("go1.26.8modroot {root}/src{module}\npackage go1.26.8 go index v2 {root}/src{package}\n{files}");
        ActionId(Sha256::digest(text).into())
    }

    const FMT: [&str; 2] = ["errors.go 1970-01-01 00:00:01 +0000 UTC 22", "print.go 1970-01-01 00:00:01 +0000 UTC 12"];

    #[test]
    fn an_index_of_the_toolchain_is_recognised_by_its_key() {
        let (dir, goroot) = toolchain();
        let fmt = key(dir.path(), "", "/fmt", &FMT);
        assert!(goroot.has_index(&fmt, &index("fmt")));
        let main = key(dir.path(), "/cmd", "/cmd/go", &["main.go 1970-01-01 00:00:01 +0000 UTC 13"]);
        assert!(goroot.has_index(&main, &index("go")));
        let cmd = key(dir.path(), "/cmd", "/cmd", &["doc.go 1970-01-01 00:00:01 +0000 UTC 12"]);
        assert!(goroot.has_index(&cmd, &index("")));
        // Of another directory, project, or key.
        assert!(!goroot.has_index(&fmt, &index("cmd")));
        assert!(!goroot.has_index(&key(Path::new("/build"), "", "/fmt", &FMT), &index("fmt")));
        assert!(!goroot.has_index(&ActionId([1; 32]), &index("fmt")));
    }

    #[test]
    fn a_directory_that_is_not_as_in_the_store_has_no_index() {
        let (dir, goroot) = toolchain();
        let fmt = key(dir.path(), "", "/fmt", &FMT);
        let print = dir.path().join("src/fmt/print.go");
        for (path, finished) in [(print.as_path(), 0o444), (print.parent().unwrap(), 0o555)] {
            chmod(path, 0o755);
            assert!(!goroot.has_index(&fmt, &index("fmt")), "still written to");
            chmod(path, finished);
        }
        fs::remove_file(&print).unwrap();
        write(&print, "package fmt\n", 2);
        assert!(!goroot.has_index(&fmt, &index("fmt")), "changed since");
        fs::remove_file(&print).unwrap();
        write(&print, "package fmt\n", 1);
        assert!(goroot.has_index(&fmt, &index("fmt")));
        symlink("print.go", dir.path().join("src/fmt/zlink.go")).unwrap();
        assert!(!goroot.has_index(&fmt, &index("fmt")), "Go makes none with a link in it");

        symlink(dir.path().join("src/cmd"), dir.path().join("src/link")).unwrap();
        let link = key(dir.path(), "", "/link", &["doc.go 1970-01-01 00:00:01 +0000 UTC 12"]);
        assert!(!goroot.has_index(&link, &index("link")), "a link out of the directory");
        for out in ["../src/cmd", "/etc", "./cmd", "cmd/", "cmd/."] {
            let key = key(dir.path(), "", &format!("/{out}"), &["doc.go 1970-01-01 00:00:01 +0000 UTC 12"]);
            assert!(!goroot.has_index(&key, &index(out)), "{out}");
        }
        assert!(Goroot::in_store(dir.path().to_str().unwrap()).is_none());
    }

    #[test]
    fn an_index_that_records_an_error_is_not_shared() {
        let (dir, goroot) = toolchain();
        let fmt = key(dir.path(), "", "/fmt", &FMT);
        for n in 0..3 {
            let mut errors = [0; 3];
            errors[n] = 7;
            assert!(!goroot.has_index(&fmt, &with_errors("fmt", errors)));
        }
    }

    proptest! {
        #[test]
        fn garbage_is_no_index(cut in 0usize..80, at in 0usize..80, byte: u8, rest: Vec<u8>) {
            let (dir, goroot) = toolchain();
            let fmt = key(dir.path(), "", "/fmt", &FMT);
            let whole = index("fmt");
            prop_assert_eq!(goroot.has_index(&fmt, &whole[..cut.min(whole.len())]), cut > whole.len() - 2);
            let mut changed = whole.clone();
            changed[at % whole.len()] = byte;
            goroot.has_index(&fmt, &changed); // does not panic
            prop_assert!(!goroot.has_index(&fmt, &rest));
            goroot.has_index(&fmt, &[HEAD.as_bytes(), &rest].concat());
        }
    }
}

//! What a toolchain outside of the Nix store is: the content of its programs and of the assembler's include files. Go identifies a
//! toolchain by its version line only, and the include files are in no key (cmd/go/internal/work/buildid.go `toolID`,
//! cmd/go/internal/work/gc.go `asmArgs`, Go 1.21-1.27).
//!
//! It is read once. What was read is kept in a file with the stamps of all its files and directories: while these are the same, so
//! is the content.

use std::fs::{self, DirEntry, File, Metadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use blake3::{Hash, Hasher};

use crate::clock;
use crate::digest::add_part;

use super::paths::STORE;
use super::stamp::Stamp;

/// What a toolchain consists of, besides sources, which are in Go's keys.
const OF_GOROOT: [&str; 4] = ["bin/go", "pkg/tool", "pkg/include", "VERSION"];

/// More files, bytes or nested directories are no toolchain. Go 1.26 has some 40 files of 100 MB.
const MAX_FILES: u32 = 5000;
const MAX_BYTES: u64 = 2 << 30;
const MAX_DEPTH: u32 = 16;

/// The digest of what lies outside of the store of a toolchain: the root, the directory of tools if it is set, and the go command
/// if it is elsewhere. Empty where all of it is in the store: there paths are enough. What is there is read once; `memo` is the
/// directory that keeps it. `None` where something cannot be read, or changes meanwhile.
pub(crate) fn content(goroot: &Path, gotooldir: &Path, go: &Path, memo: Option<&Path>) -> Option<String> {
    let is_outside = |path: &PathBuf| path.is_absolute() && !path.starts_with(STORE);
    let of_goroot = OF_GOROOT.iter().map(|name| goroot.join(name));
    let paths: Vec<_> = of_goroot.chain([gotooldir.to_owned(), go.to_owned()]).filter(is_outside).collect();
    if paths.is_empty() {
        return Some(String::new());
    }
    let began = clock::now();
    let (stamps, settled) = walk(&paths, false)?;
    let kept = memo.map(|dir| dir.join(format!("toolchain-{stamps}")));
    if let Some(digest) = kept.as_ref().and_then(|path| kept_digest(path)) {
        return Some(digest);
    }
    let (digest, _) = walk(&paths, true)?;
    if walk(&paths, false)?.0 != stamps {
        return None;
    }
    // A file that changes before it is settled may show the same stamp.
    if settled < began {
        kept.and_then(|path| keep(&path, &digest).ok()).unwrap_or_default();
    }
    Some(digest.to_string())
}

fn kept_digest(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(Hash::from_hex(text.trim_end()).ok()?.to_string())
}

fn keep(path: &Path, digest: &Hash) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(path);
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    writeln!(file, "{digest}")?;
    file.persist(path)?;
    Ok(())
}

/// The digest of names and contents, or of stamps; and when the last of them is settled.
fn walk(paths: &[PathBuf], reads: bool) -> Option<(Hash, SystemTime)> {
    let mut walk = Walk { hasher: Hasher::new(), reads, settled: UNIX_EPOCH, files: MAX_FILES, bytes: MAX_BYTES };
    for path in paths {
        add_part(&mut walk.hasher, path.as_os_str().as_encoded_bytes());
        walk.add(path, MAX_DEPTH)?;
    }
    Some((walk.hasher.finalize(), walk.settled))
}

struct Walk {
    hasher: Hasher,
    /// Contents, or else stamps.
    reads: bool,
    settled: SystemTime,
    files: u32,
    bytes: u64,
}

impl Walk {
    /// Adds what a path leads to.
    fn add(&mut self, path: &Path, depth: u32) -> Option<()> {
        self.files = self.files.checked_sub(1)?;
        let Ok(metadata) = fs::metadata(path) else {
            // A toolchain may have no include files; what is there and cannot be looked at has no content.
            self.hasher.update(b"absent");
            return fs::symlink_metadata(path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound).then_some(());
        };
        let stamp = Stamp::of(&metadata)?;
        self.settled = self.settled.max(stamp.settled());
        if !self.reads {
            stamp.add_to(&mut self.hasher);
        }
        if metadata.is_dir() {
            return self.add_directory(path, depth.checked_sub(1)?);
        }
        if self.reads { self.add_content(path, &metadata) } else { metadata.is_file().then_some(()) }
    }

    fn add_directory(&mut self, dir: &Path, depth: u32) -> Option<()> {
        let mut entries: Vec<_> = fs::read_dir(dir).ok()?.map(Result::ok).collect::<Option<_>>()?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            add_part(&mut self.hasher, entry.file_name().as_encoded_bytes());
            self.add(&entry.path(), depth)?;
        }
        self.hasher.update(b"/");
        Some(())
    }

    fn add_content(&mut self, path: &Path, metadata: &Metadata) -> Option<()> {
        if !metadata.is_file() {
            return None;
        }
        self.bytes = self.bytes.checked_sub(metadata.len())?;
        let mut content = Hasher::new();
        content.update_reader(File::open(path).ok()?).ok()?;
        self.hasher.update(&metadata.mode().to_le_bytes()).update(content.finalize().as_bytes());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["bin/go", "pkg/tool/linux_amd64/compile", "pkg/include/textflag.h", "VERSION", "src/fmt/print.go"]
        {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        dir
    }

    fn of(goroot: &Path, memo: Option<&Path>) -> Option<String> {
        content(goroot, Path::new(""), Path::new(""), memo)
    }

    #[test]
    fn each_program_and_include_file_of_a_toolchain_counts() {
        let dir = toolchain();
        let first = of(dir.path(), None);
        assert!(first.as_ref().is_some_and(|digest| digest.len() == 64));
        for name in ["bin/go", "pkg/tool/linux_amd64/compile", "pkg/include/textflag.h", "VERSION", "pkg/tool/new"] {
            let (path, other) = (dir.path().join(name), fs::read(dir.path().join(name)).ok());
            fs::write(&path, "2").unwrap();
            assert_ne!(of(dir.path(), None), first, "{name}");
            other.map_or_else(|| fs::remove_file(&path), |other| fs::write(&path, other)).unwrap();
        }
        fs::write(dir.path().join("src/fmt/print.go"), "2").unwrap();
        assert_eq!(of(dir.path(), None), first, "sources are in Go's keys");
    }

    #[test]
    fn parts_in_other_places_count_and_those_in_the_store_do_not() {
        let (dir, tools) = (toolchain(), toolchain());
        let go = tools.path().join("bin/go");
        let both = content(dir.path(), tools.path(), &go, None);
        assert_ne!(both, of(dir.path(), None));
        fs::write(&go, "2").unwrap();
        assert_ne!(content(dir.path(), tools.path(), &go, None), both);
        assert_eq!(of(Path::new("/nix/store/x-go/share/go"), None).as_deref(), Some(""));
        assert_eq!(of(Path::new(""), None).as_deref(), Some(""));
        assert_ne!(
            content(Path::new("/nix/store/x-go/share/go"), tools.path(), Path::new(""), None).as_deref(),
            Some("")
        );
    }

    #[test]
    fn what_was_read_is_kept_until_a_file_changes() {
        let (dir, memo) = (toolchain(), tempfile::tempdir().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(40));
        let memo = memo.path().join("kept");
        let first = of(dir.path(), Some(&memo)).unwrap();
        let kept: Vec<_> = fs::read_dir(&memo).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(kept.len(), 1);
        let other = "0".repeat(64);
        fs::write(&kept[0], format!("{other}\n")).unwrap();
        assert_eq!(of(dir.path(), Some(&memo)), Some(other), "the second look reads no program");
        fs::write(dir.path().join("bin/go"), "2").unwrap();
        assert_ne!(of(dir.path(), Some(&memo)), Some(first));
        fs::write(&kept[0], "damaged").unwrap();
        assert!(of(dir.path(), Some(&memo)).is_some_and(|digest| digest.len() == 64));
    }

    #[test]
    fn what_cannot_be_read_has_no_content() {
        let dir = toolchain();
        let pipe = dir.path().join("pkg/tool/pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(of(dir.path(), None), None);
        fs::remove_file(&pipe).unwrap();
        std::os::unix::fs::symlink("loop", dir.path().join("pkg/tool/loop")).unwrap();
        assert_eq!(of(dir.path(), None), None);
    }
}

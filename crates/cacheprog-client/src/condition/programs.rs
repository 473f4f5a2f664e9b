//! The programs that make C's objects, as cmd/go finds them: which file each of them is. In the Nix store a path stands for its
//! content. Elsewhere a build counts the content; outside of a build, where a system's compiler is large and its libraries are not
//! looked at either, size, times and inode count, as they do for Go's own cache (cmd/go/internal/work/buildid.go `gccToolID`).

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use blake3::{Hash, Hasher};
use proto::parts::{Part, Parts};

use crate::digest::add_part;

use super::own_outputs::OwnOutputs;
use super::paths::{self, STORE};
use super::stamp::Stamp;
use super::variables::{Variables, is_build, value};
use super::{flag_programs, quoted};

/// The variables that name programs, and the programs without them (cmd/go/internal/work/exec.go `ccExe`, `cxxExe`, `fcExe`,
/// `getPkgConfigFlags`, `swigOne`; cmd/go/internal/cfg; Go 1.21-1.27). Compilers look for `as` and `ld` in `PATH`.
const PROGRAMS: [(&str, &str); 8] = [
    ("AR", "ar"),
    ("AS", "as"),
    ("CC", "gcc"),
    ("CXX", "g++"),
    ("FC", "gfortran"),
    ("LD", "ld"),
    ("PKG_CONFIG", "pkg-config"),
    ("SWIG", "swig"),
];

/// Those that no variable names, neither for cmd/go nor for a compiler.
const WITHOUT_VARIABLE: [&str; 3] = ["AS", "LD", "SWIG"];

/// A larger program is not read.
const MAX_SIZE: u64 = 256 << 20;

/// The programs of one variable.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The variable, or a name of the same form.
    pub(crate) name: &'static str,
    /// What it stands for: a program, and arguments that are files.
    identity: Hash,
    /// Its files outside of the store, and links to them: they may change, and may lie in the tree.
    pub(crate) files: Vec<PathBuf>,
    /// Its files in the store.
    pub(crate) in_store: Vec<PathBuf>,
}

/// The files of a command line: outside of the store, and in it.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) others: Vec<PathBuf>,
    pub(crate) in_store: Vec<PathBuf>,
}

/// All programs. `None` where one of them cannot be told: it is named by a relative path, or cannot be read.
pub(crate) fn find(variables: &Variables) -> Option<Vec<Program>> {
    let find_one = |(name, default): (&'static str, &str)| {
        let command = value(variables, name).filter(|command| !command.is_empty() && !WITHOUT_VARIABLE.contains(&name));
        let words = quoted::split(command.map_or(default.as_bytes(), |command| command.as_bytes()))?;
        let mut files = Files::default();
        let identity = identify(&words, variables, &mut files)?;
        Some(Program { name, identity, files: files.others, in_store: files.in_store })
    };
    let programs: Option<Vec<_>> = PROGRAMS.into_iter().map(find_one).collect();
    Some([programs?, of_flags(variables)?].concat())
}

/// Those to which flags lead. `None` where they cannot be told.
fn of_flags(variables: &Variables) -> Option<Vec<Program>> {
    let own: Vec<_> = OwnOutputs::of(variables).map(|own| own.paths().collect()).unwrap_or_default();
    let found = flag_programs::find(variables, &own)?;
    if found.is_empty() {
        return Some(Vec::new());
    }
    let (mut hasher, mut files) = (Hasher::new(), Files::default());
    for path in found {
        add_file(&mut hasher, &path, is_build(variables), &mut files)?;
    }
    Some(vec![Program { name: "of flags", identity: hasher.finalize(), files: files.others, in_store: files.in_store }])
}

/// Adds each to a digest, and by name to its parts.
pub(crate) fn add(programs: &[Program], hasher: &mut Hasher, parts: &mut Parts) {
    for program in programs {
        add_part(hasher, program.name.as_bytes());
        hasher.update(program.identity.as_bytes());
        parts.add(Part::Program, program.name, program.identity.as_bytes());
    }
}

/// Whether none of them changed since then.
pub(crate) fn are_older(programs: &[Program], since: SystemTime) -> bool {
    let is_older = |file: &PathBuf| {
        let metadata = fs::symlink_metadata(file).ok();
        metadata.and_then(|metadata| Stamp::of(&metadata)).is_some_and(|stamp| stamp.is_before(since))
    };
    programs.iter().flat_map(|program| &program.files).all(is_older)
}

/// What a command line runs: its first word is a program; each other word that is a file or a program too counts as well, as the
/// compiler behind `ccache` does. Its files are added to `files`.
pub(crate) fn identify(words: &[Vec<u8>], variables: &Variables, files: &mut Files) -> Option<Hash> {
    let mut hasher = Hasher::new();
    for (at, word) in words.iter().enumerate() {
        add_part(&mut hasher, word);
        if at > 0 && word.starts_with(b"-") {
            continue;
        }
        let path = Path::new(OsStr::from_bytes(word));
        let is_name = !word.contains(&b'/') && !word.starts_with(b"@");
        if !is_name && !path.is_absolute() {
            // Where cmd/go and a program look for it may be two directories.
            return None;
        }
        let found = if is_name { in_search_path(path, variables)? } else { Some(path.to_owned()) };
        match found {
            Some(path) if is_name || path.exists() => add_file(&mut hasher, &path, is_build(variables), files)?,
            _ => drop(hasher.update(b"absent")),
        }
    }
    Some(hasher.finalize())
}

/// The first executable file of this name in the directories of `PATH`. `None` where `PATH` has a relative directory.
#[expect(clippy::option_option, reason = "not to be told, and not there, are two answers")]
fn in_search_path(name: &Path, variables: &Variables) -> Option<Option<PathBuf>> {
    let directories: Vec<_> =
        value(variables, "PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    if directories.iter().any(|dir| dir.is_relative()) {
        return None;
    }
    Some(directories.into_iter().map(|dir| dir.join(name)).find(|path| paths::is_executable(path)))
}

fn add_file(hasher: &mut Hasher, path: &Path, is_build: bool, files: &mut Files) -> Option<()> {
    let real = fs::canonicalize(path).ok()?;
    // A program may do another thing under another name.
    add_part(hasher, path.file_name().unwrap_or_default().as_bytes());
    if real.starts_with(STORE) {
        add_part(hasher, real.as_os_str().as_bytes());
        files.in_store.push(real);
        return Some(());
    }
    files.others.push(real.clone());
    if real != path {
        files.others.push(path.to_owned());
    }
    let metadata = fs::metadata(&real).ok()?;
    if metadata.is_dir() {
        // A path among flags: it counts as text here, and decides about the scope elsewhere.
        return Some(());
    }
    if !metadata.is_file() {
        return None;
    }
    if is_build {
        add_content(hasher, &real, &metadata)
    } else {
        add_part(hasher, real.as_os_str().as_bytes());
        hasher.update(&metadata.len().to_le_bytes()).update(&metadata.ino().to_le_bytes());
        for time in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
            hasher.update(&time.to_le_bytes());
        }
        Some(())
    }
}

/// Mode and content, if it does not change meanwhile.
fn add_content(hasher: &mut Hasher, path: &Path, metadata: &Metadata) -> Option<()> {
    if metadata.len() > MAX_SIZE {
        return None;
    }
    let mut content = Hasher::new();
    let file = File::open(path).ok()?;
    content.update_reader(&file).ok()?;
    let is_same = Stamp::of(&file.metadata().ok()?)? == Stamp::of(metadata)?;
    hasher.update(&metadata.mode().to_le_bytes()).update(content.finalize().as_bytes());
    is_same.then_some(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let place = Self { dir: tempfile::tempdir().unwrap() };
            for name in ["gcc", "ccache", "my-cc"] {
                place.write(name, "1");
            }
            place
        }

        fn path(&self, name: &str) -> String {
            format!("{}/{name}", self.dir.path().display())
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
            fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o755)).unwrap();
        }

        fn variables(&self, more: &[(&str, &str)]) -> Variables {
            let path = self.dir.path().to_str().unwrap();
            let all = [("PATH", path), ("NIX_BUILD_TOP", "/build")];
            let kept = all.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
            kept.chain(more).map(|(name, value)| (name.into(), value.into())).collect()
        }

        fn digest(&self, more: &[(&str, &str)]) -> Option<Hash> {
            let mut hasher = Hasher::new();
            add(&find(&self.variables(more))?, &mut hasher, &mut Parts::default());
            Some(hasher.finalize())
        }
    }

    #[test]
    fn a_program_counts_by_its_content_in_a_build() {
        let place = Place::new();
        let (own, script) = (place.digest(&[]).unwrap(), place.path("my-cc"));
        let with_script = place.digest(&[("CC", &script)]).unwrap();
        assert_ne!(own, with_script);
        place.write("my-cc", "2");
        assert_eq!(place.digest(&[]), Some(own));
        assert_ne!(place.digest(&[("CC", &script)]), Some(with_script));
        place.write("gcc", "2");
        assert_ne!(place.digest(&[]), Some(own));
        place.write("gcc", "1");
        assert_eq!(place.digest(&[]), Some(own), "times do not count");
        place.write("pkg-config", "1");
        assert_ne!(place.digest(&[]), Some(own));
    }

    #[test]
    fn outside_of_a_build_its_times_count() {
        let place = Place::new();
        let outside = [("NIX_BUILD_TOP", "")];
        let before = place.digest(&outside).unwrap();
        assert_eq!(place.digest(&outside), Some(before));
        File::options().append(true).open(place.path("gcc")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_ne!(place.digest(&outside), Some(before));
    }

    #[test]
    fn the_compiler_behind_another_program_counts() {
        let place = Place::new();
        let behind = [("CC", "ccache gcc -O2")];
        let before = place.digest(&behind).unwrap();
        place.write("gcc", "2");
        assert_ne!(place.digest(&behind), Some(before));
        let quoted = format!("sh '{}'", place.path("my-cc"));
        let before = place.digest(&[("CC", &quoted)]).unwrap();
        place.write("my-cc", "2");
        assert_ne!(place.digest(&[("CC", &quoted)]), Some(before));
    }

    #[test]
    fn files_outside_of_the_store_are_known_with_their_links() {
        let place = Place::new();
        std::os::unix::fs::symlink("my-cc", place.path("cc")).unwrap();
        let all = find(&place.variables(&[("CC", "cc")])).unwrap();
        let files = &all.iter().find(|program| program.name == "CC").unwrap().files;
        assert_eq!(*files, [PathBuf::from(place.path("my-cc")), PathBuf::from(place.path("cc"))]);
        let now = crate::clock::now();
        assert!(!are_older(&all, now - std::time::Duration::from_secs(60)));
        assert!(are_older(&all, now + std::time::Duration::from_secs(60)));
    }

    #[test]
    fn what_cannot_be_told_has_no_digest() {
        let place = Place::new();
        for (name, value) in [
            ("CC", "./cc"),
            ("CXX", "bin/g++"),
            ("CC", "gcc @flags"),
            ("CC", "'gcc"),
            ("PATH", "bin:/bin"),
            ("PATH", ""),
        ] {
            assert_eq!(place.digest(&[(name, value)]), None, "{name}={value}");
        }
        assert!(place.digest(&[("CC", "/nowhere/gcc")]).is_some(), "absent is a digest too");
        rustix::fs::mkfifoat(rustix::fs::CWD, &*place.path("pipe"), rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(place.digest(&[("CC", &place.path("pipe"))]), None);
    }
}

//! The inputs of cgo packages that Go's keys leave out: the compiler wrapper and its flags, the headers and libraries that they
//! name, and C files of the tree outside the package. (Go's keys have the package's own files, the `CGO_*` variables and one line
//! of `gcc -v`: cmd/go/internal/work/exec.go `buildActionID`, Go 1.21-1.27.) A digest of all inputs is the value of a macro in
//! `CGO_CPPFLAGS`. These flags are in the keys of cgo packages and of no others, and with -trimpath not in the program.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use proto::id::hex;

use crate::digest::add_part;

use super::build_env::{Variables, own_outputs, value, without_outputs};

/// The macro. Its name is only in keys, so it may change; then cgo packages are compiled once more.
const MACRO: &str = "__nix_gocacheprog_key";

/// Prefixes of the variables that a compiler, its nixpkgs wrapper or pkg-config reads.
const PREFIXES: [&str; 20] = [
    "NIX_CC",
    "NIX_CFLAGS",
    "NIX_CXXSTDLIB",
    "NIX_LDFLAGS",
    "NIX_BINTOOLS",
    "NIX_HARDENING",
    "NIX_ENFORCE_NO_NATIVE",
    "NIX_DONT_SET_RPATH",
    "NIX_NO_SELF_RPATH",
    "NIX_DYNAMIC_LINKER",
    "PKG_CONFIG",
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "LIBRARY_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "LD_LIBRARY_PATH",
    "FC",
];

/// Extensions of files that a C compiler or linker reads: those of cmd/go (go/build `Package`), other headers, libraries.
const EXTENSIONS: [&str; 27] = [
    "c", "cc", "cpp", "cxx", "m", "mm", "h", "hh", "hpp", "hxx", "inc", "inl", "ipp", "tcc", "def", "s", "S", "sx",
    "f", "F", "for", "f90", "a", "o", "so", "syso", "la",
];

/// The digest of the environment and of the C files below `tree`, without the directories in `excluded`.
pub(crate) fn digest(variables: &Variables, tree: &Path, excluded: &[PathBuf]) -> io::Result<String> {
    let mut hasher = Hasher::new();
    let outputs = own_outputs(variables);
    let mut read: Vec<_> = variables.iter().filter(|(name, _)| is_read_by_compiler(name)).collect();
    read.sort();
    for (name, value) in read {
        add_part(&mut hasher, name.as_bytes());
        add_part(&mut hasher, without_outputs(&value.to_string_lossy(), &outputs).as_bytes());
    }
    for compiler in ["CC", "CXX"] {
        add_part(&mut hasher, real_program(variables, compiler).as_os_str().as_bytes());
    }
    let mut files = Vec::new();
    find_c_files(tree, excluded, &mut files)?;
    files.sort();
    for file in files {
        add_part(&mut hasher, file.strip_prefix(tree).unwrap_or(&file).as_os_str().as_bytes());
        add_content(&mut hasher, &file)?;
    }
    Ok(hex(&hasher.finalize().as_bytes()[..16]))
}

/// `CGO_CPPFLAGS` with this digest in the place of an earlier one.
pub(crate) fn flags(before: &str, digest: &str) -> String {
    let ours = format!("-D{MACRO}=");
    let others = before.split_whitespace().filter(|flag| !flag.starts_with(&ours));
    others.map(str::to_owned).chain([format!("{ours}0x{}", &digest[..15])]).collect::<Vec<_>>().join(" ")
}

fn is_read_by_compiler(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// The real path of a compiler. A wrapper's is a store path, which changes with all that it contains.
fn real_program(variables: &Variables, name: &str) -> PathBuf {
    let default = if name == "CC" { "gcc" } else { "g++" };
    let command = value(variables, name).map_or_else(|| default.into(), |value| value.to_string_lossy().into_owned());
    let program = PathBuf::from(command.split_whitespace().next().unwrap_or(default));
    let path = value(variables, "PATH").cloned().unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|dir| dir.join(&program));
    candidates.find_map(|path| fs::canonicalize(path).ok()).unwrap_or(program)
}

fn find_c_files(dir: &Path, excluded: &[PathBuf], found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
        let kind = entry?;
        if kind.is_dir() {
            if !excluded.contains(&path) && path.file_name().is_none_or(|name| name != ".git") {
                find_c_files(&path, excluded, found)?;
            }
        } else if is_read_by_c(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// This includes libx.so.1.2, and files without an extension in a directory called `include` (C++ has such headers).
fn is_read_by_c(path: &Path) -> bool {
    let (Some(name), parent) = (path.file_name().and_then(|name| name.to_str()), path.parent()) else { return true };
    match name.rsplit_once('.') {
        Some((_, extension)) => EXTENSIONS.contains(&extension) || name.contains(".so."),
        None => parent.is_some_and(|dir| dir.components().any(|part| part.as_os_str() == "include")),
    }
}

/// Of a link its target is added: either a file of the tree, which is added itself, or a store path, which identifies its
/// content.
fn add_content(hasher: &mut Hasher, path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        add_part(hasher, fs::read_link(path)?.as_os_str().as_bytes());
        return Ok(());
    }
    if !metadata.is_file() {
        return Ok(());
    }
    hasher.update(&metadata.len().to_le_bytes());
    hasher.update_reader(File::open(path)?).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(all: &[(&str, &str)]) -> Variables {
        all.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [("src/a/x.go", "go"), ("src/inc/v.h", "1"), ("lib/libv.a", "2"), ("go-cache/z.h", "3")] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn the_digest_depends_on_the_content_and_not_on_the_build() {
        let (one, two) = (tree(), tree());
        let of = |dir: &tempfile::TempDir, all: &[(&str, &str)]| {
            digest(&variables(all), dir.path(), &[dir.path().join("go-cache")]).unwrap()
        };
        let flags = "-isystem /nix/store/a/include -frandom-seed=1234567890 -L/nix/store/own1-out/lib";
        let again = "-isystem /nix/store/a/include -frandom-seed=abcdefghij -L/nix/store/own2-out/lib";
        let base = of(&one, &[("NIX_CFLAGS_COMPILE", flags), ("out", "/nix/store/own1-out"), ("HOME", "/x")]);
        fs::write(two.path().join("src/a/x.go"), "other go").unwrap();
        fs::write(two.path().join("go-cache/z.h"), "other").unwrap();
        assert_eq!(base, of(&two, &[("out", "/nix/store/own2-out"), ("NIX_CFLAGS_COMPILE", again), ("HOME", "/y")]));
        let changes: [(&str, &str); 3] = [("src/inc/v.h", "9"), ("lib/libv.a", "9"), ("src/new.hpp", "")];
        for (path, text) in changes {
            let dir = tree();
            fs::write(dir.path().join(path), text).unwrap();
            assert_ne!(base, of(&dir, &[("NIX_CFLAGS_COMPILE", flags), ("out", "/nix/store/own1-out")]), "{path}");
        }
        for all in [
            ("NIX_CFLAGS_COMPILE", "-isystem /nix/store/b/include"),
            ("NIX_LDFLAGS", "-L/x"),
            ("NIX_CC", "/nix/store/cc2"),
        ] {
            assert_ne!(base, of(&one, &[all]), "{all:?}");
        }
    }

    #[test]
    fn the_flag_is_there_once() {
        let first = flags("-DX=1 -I/y", &"0".repeat(32));
        assert_eq!(first, format!("-DX=1 -I/y -D{MACRO}=0x{}", "0".repeat(15)));
        assert_eq!(flags(&first, &"1".repeat(32)), format!("-DX=1 -I/y -D{MACRO}=0x{}", "1".repeat(15)));
        assert_eq!(flags("", &"a".repeat(32)), format!("-D{MACRO}=0x{}", "a".repeat(15)));
    }
}

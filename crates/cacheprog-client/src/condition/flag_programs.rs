//! Programs to which flags lead: `-wrapper script`, `-B directory`, `-specs=file`, `COMPILER_PATH`. A compiler runs them, and they may
//! be scripts as it may be one itself.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::flags_text::is_of_flags;
use super::paths;
use super::variables::Variables;

/// Flags before a program or a file that leads to some, and before the beginning of programs' paths (gcc's manual, "Overall Options",
/// "Directory Options"). Some compilers take them with two dashes.
const BEFORE_FILE: [&[u8]; 3] = [b"fplugin", b"specs", b"wrapper"];
const BEFORE_BEGINNING: [&[u8]; 2] = [b"B", b"prefix"];

/// Variables that hold beginnings of programs' paths (gcc's manual, "Environment Variables").
const OF_BEGINNINGS: [&str; 2] = ["COMPILER_PATH", "GCC_EXEC_PREFIX"];

/// The linker's, after `-Wl,`: they name nothing.
const OF_LINKER: [&[u8]; 5] = [b"-Bdynamic", b"-Bgroup", b"-Bshareable", b"-Bstatic", b"-Bsymbolic"];

/// With more names a directory is none of programs; gcc looks two levels further (`MACHINE/VERSION`).
const MOST_NAMES: usize = 1000;
const LEVELS: u32 = 3;

/// What flags lead to, outside of the store's objects and the system: sorted. `None` where the compiler would have to look for it, and
/// where there is too much.
pub(super) fn find(variables: &Variables, own_outputs: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let mut found = Found { own_outputs, programs: Vec::new(), names_left: MOST_NAMES };
    for (name, value) in variables.iter().filter(|(name, _)| is_of_flags(name)) {
        if OF_BEGINNINGS.iter().any(|of_beginnings| name == of_beginnings) {
            let beginnings = value.as_bytes().split(|&byte| byte == b':').filter(|path| !path.is_empty());
            beginnings.map(|path| found.beginning(path)).collect::<Option<()>>()?;
        } else {
            found.flags(value.as_bytes())?;
        }
    }
    found.programs.sort();
    found.programs.dedup();
    Some(found.programs)
}

struct Found<'a> {
    own_outputs: &'a [PathBuf],
    programs: Vec<PathBuf>,
    names_left: usize,
}

impl Found<'_> {
    fn flags(&mut self, value: &[u8]) -> Option<()> {
        let is_separator = |byte: &u8| byte.is_ascii_whitespace() || b"\"'=".contains(byte);
        let mut words = value.split(is_separator).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let flag = word.strip_prefix(b"-").map(|word| word.strip_prefix(b"-").unwrap_or(word)).unwrap_or_default();
            if OF_LINKER.iter().any(|flag| word.starts_with(flag)) {
            } else if BEFORE_BEGINNING.contains(&flag) {
                self.beginning(words.next()?)?;
            } else if let Some(path) = word.strip_prefix(b"-B") {
                self.beginning(path)?;
            } else if BEFORE_FILE.contains(&flag) {
                let mut parts = words.next()?.split(|&byte| byte == b',').filter(|part| !part.starts_with(b"-"));
                parts.try_for_each(|path| self.file(path))?;
            } else {
                self.named(word);
            }
        }
        Some(())
    }

    fn is_apart(&self, path: &Path) -> bool {
        !paths::is_in_store(path, self.own_outputs) && !paths::is_of_system(path)
    }

    /// A program, or a file that leads to some, by an absolute path.
    fn file(&mut self, path: &[u8]) -> Option<()> {
        let path = Some(Path::new(OsStr::from_bytes(path))).filter(|path| path.is_absolute())?;
        let real = fs::canonicalize(path).ok().filter(|real| self.is_apart(real) && real.is_file());
        self.programs.extend(real);
        Some(())
    }

    /// The beginning of paths of programs: a directory, or a directory and the beginning of names.
    fn beginning(&mut self, path: &[u8]) -> Option<()> {
        let path = Path::new(OsStr::from_bytes(path));
        if !path.is_absolute() {
            return None;
        }
        let (dir, start) = match (path.is_dir(), path.parent(), path.file_name()) {
            (false, Some(parent), Some(start)) => (parent, start),
            _ => (path, OsStr::new("")),
        };
        match fs::canonicalize(dir).ok().filter(|real| self.is_apart(real)) {
            Some(real) => self.directory(&real, start, LEVELS),
            None => Some(()),
        }
    }

    fn directory(&mut self, dir: &Path, start: &OsStr, levels: u32) -> Option<()> {
        for entry in fs::read_dir(dir).ok()? {
            self.names_left = self.names_left.checked_sub(1)?;
            let path = entry.ok()?.path();
            let is_named = path.file_name().is_some_and(|name| name.as_bytes().starts_with(start.as_bytes()));
            if is_named && is_program(&path) {
                self.programs.push(path);
            } else if is_named && levels > 1 && path.is_dir() {
                self.directory(&path, OsStr::new(""), levels - 1)?;
            }
        }
        Some(())
    }

    /// Absolute paths in another word, which may be those of programs too.
    fn named(&mut self, word: &[u8]) {
        for part in word.split(|byte| b",:;".contains(byte)) {
            let path =
                part.iter().position(|&byte| byte == b'/').map(|slash| Path::new(OsStr::from_bytes(&part[slash..])));
            let real = path.and_then(|path| fs::canonicalize(path).ok());
            self.programs.extend(real.filter(|real| self.is_apart(real) && is_program(real)));
        }
    }
}

/// An executable file that is no library.
fn is_program(path: &Path) -> bool {
    let is_library = |name: &[u8]| name.ends_with(b".so") || memchr::memmem::find(name, b".so.").is_some();
    paths::is_executable(path) && !path.file_name().is_some_and(|name| is_library(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn programs_are_found_by_the_flags_before_them() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let path = |name: &str| top.join(name);
        fs::create_dir_all(path("tools/x86/12")).unwrap();
        for (name, mode) in [
            ("tools/as", 0o755),
            ("tools/x86/12/cc1", 0o755),
            ("tools/x.h", 0o644),
            ("tools/l.so.1", 0o755),
            ("my-as", 0o755),
            ("wrap", 0o755),
            ("specs", 0o644),
        ] {
            fs::write(path(name), "").unwrap();
            fs::set_permissions(path(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let found = |name: &str, value: &str| find(&vec![(name.into(), value.into())], &[]);
        let paths = |names: &[&str]| Some(names.iter().map(|name| path(name)).collect::<Vec<_>>());
        let tools = paths(&["tools/as", "tools/x86/12/cc1"]);
        let top = top.display();
        assert_eq!(found("CGO_CFLAGS", &format!("-O2 -B{top}/tools/")), tools);
        assert_eq!(found("CGO_CFLAGS", &format!("-B {top}/tools")), tools);
        assert_eq!(found("CGO_CFLAGS", &format!("--prefix={top}/my-")), paths(&["my-as"]));
        assert_eq!(found("COMPILER_PATH", &format!("/usr/bin:{top}/tools")), tools);
        assert_eq!(found("CGO_LDFLAGS", &format!("-wrapper {top}/wrap,-v")), paths(&["wrap"]));
        assert_eq!(found("CGO_LDFLAGS", &format!("-fuse-ld={top}/wrap")), paths(&["wrap"]));
        assert_eq!(found("CC", &format!("cc --specs={top}/specs")), paths(&["specs"]));
        for none in [
            format!("-I{top}/tools -L {top}/tools -isystem {top}/tools -DX={top}/tools -ffile-prefix-map={top}=."),
            "-B/usr/bin -O2 -I../x -DX=a/b -Wl,-Bstatic -la -Wl,-Bdynamic -Bsymbolic".to_owned(),
        ] {
            assert_eq!(found("CGO_CFLAGS", &none), Some(Vec::new()), "{none}");
        }
        assert_eq!(found("OTHER", &format!("-B{top}/tools")), Some(Vec::new()));
        for relative in
            ["-Btools", "-B tools", "-wrapper gdb,--args", "-wrapper /usr/bin/env,w", "-specs=my.specs", "--specs=x"]
        {
            assert_eq!(found("CGO_CFLAGS", relative), None, "{relative}");
        }
        assert_eq!(found("COMPILER_PATH", "./tools"), None);
    }
}

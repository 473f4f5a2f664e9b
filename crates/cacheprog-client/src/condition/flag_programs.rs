//! Programs to which flags lead: `-wrapper script`, `-B directory`, `-specs=file`, `COMPILER_PATH`. A compiler runs them, and they may
//! be scripts as it may be one itself.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::paths;
use super::scope_choice::is_of_flags;
use super::variables::Variables;

/// Flags before a directory in which no program is looked for: most flags with a path are these.
const OF_NO_PROGRAM: [&[u8]; 3] = [b"-I", b"-L", b"-isystem"];

/// Flags before a program, or a file or directory that leads to some (gcc's manual, "Overall Options", "Directory Options").
const OF_PROGRAMS: [&[u8]; 4] = [b"-B", b"-fplugin", SPECS, b"-wrapper"];
const SPECS: &[u8] = b"-specs";

/// The linker's, after `-Wl,`: they name nothing.
const OF_LINKER: [&[u8]; 5] = [b"-Bdynamic", b"-Bgroup", b"-Bshareable", b"-Bstatic", b"-Bsymbolic"];

/// With more names a directory is none of programs.
const MOST_NAMES: usize = 1000;

/// The executable files that flags name, and those in directories that they name, outside of the store and the system: sorted.
/// `command`: the words of another variable that may have flags, as `CC`. `None` where a directory is too large, and where the
/// compiler would have to look for the program.
pub(super) fn find(variables: &Variables, commands: &[Vec<u8>]) -> Option<Vec<PathBuf>> {
    let of_flags = variables.iter().filter(|(name, _)| is_of_flags(name)).map(|(_, value)| value.as_bytes());
    let mut programs = Vec::new();
    for value in of_flags.chain(commands.iter().map(Vec::as_slice)) {
        let mut flag: &[u8] = b"";
        for word in value.split(|&byte| is_separator(byte)).filter(|word| !word.is_empty()) {
            let path = word.iter().position(|&byte| byte == b'/').map(|slash| &word[slash..]);
            let has_flag = |flags: &[&[u8]]| flags.iter().any(|start| word.starts_with(start) || *start == flag);
            let is_relative = path.is_none_or(|path| path.len() < word.len() && !word.starts_with(b"-"));
            let is_flag_alone = OF_PROGRAMS.contains(&word);
            let is_of_linker = OF_LINKER.iter().any(|flag| word.starts_with(flag));
            if is_relative && !is_flag_alone && !is_of_linker && has_flag(&OF_PROGRAMS) {
                return None;
            }
            if let Some(path) = path.filter(|_| !has_flag(&OF_NO_PROGRAM)) {
                let path = Path::new(OsStr::from_bytes(path));
                let is_run = word.starts_with(SPECS) || flag == SPECS;
                add(path, is_run, &mut programs)?;
            }
            flag = word;
        }
    }
    programs.sort();
    programs.dedup();
    Some(programs)
}

fn is_separator(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"'=,:;".contains(&byte)
}

/// `is_run`: whether a file is one of these whatever its mode is.
fn add(path: &Path, is_run: bool, programs: &mut Vec<PathBuf>) -> Option<()> {
    let is_apart = |path: &Path| !path.starts_with(paths::STORE) && !paths::is_of_system(path);
    let Some(real) = fs::canonicalize(path).ok().filter(|real| is_apart(real)) else { return Some(()) };
    if !real.is_dir() {
        programs.extend((is_run || is_program(&real)).then_some(real));
        return Some(());
    }
    for (count, entry) in fs::read_dir(&real).ok()?.enumerate() {
        let path = entry.ok().filter(|_| count < MOST_NAMES)?.path();
        programs.extend(is_program(&path).then_some(path));
    }
    Some(())
}

/// An executable file that is no library.
fn is_program(path: &Path) -> bool {
    let is_library = |name: &[u8]| name.ends_with(b".so") || memchr::memmem::find(name, b".so.").is_some();
    let is_executable = fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    is_executable && !path.file_name().is_some_and(|name| is_library(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_the_flags_before_them() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let path = |name: &str| top.join(name);
        fs::create_dir(path("tools")).unwrap();
        for (name, mode) in
            [("tools/as", 0o755), ("tools/x.h", 0o644), ("tools/l.so.1", 0o755), ("wrap", 0o755), ("specs", 0o644)]
        {
            fs::write(path(name), "").unwrap();
            fs::set_permissions(path(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let top = top.display();
        let found = |name: &str, value: &str| find(&vec![(name.into(), value.into())], &[]);
        let (tools, wrap) = (Some(vec![path("tools/as")]), Some(vec![path("wrap")]));
        assert_eq!(found("CGO_CFLAGS", &format!("-O2 -B{top}/tools/")), tools);
        assert_eq!(found("CGO_CFLAGS", &format!("-B {top}/tools")), tools);
        assert_eq!(found("COMPILER_PATH", &format!("/usr/bin:{top}/tools")), tools);
        assert_eq!(found("CGO_LDFLAGS", &format!("-wrapper {top}/wrap,-v")), wrap);
        assert_eq!(find(&Vec::new(), &[format!("-specs={top}/specs").into()]), Some(vec![path("specs")]));
        let none = Some(Vec::new());
        assert_eq!(found("CGO_CFLAGS", &format!("-I{top}/tools -L {top}/tools -isystem {top}/tools -O2")), none);
        assert_eq!(found("OTHER", &format!("-B{top}/tools")), none);
        assert_eq!(found("CGO_CFLAGS", "-B/usr/bin -O2 -I../x -DX=a/b -Wl,-Bstatic -la -Wl,-Bdynamic"), none);
        for relative in ["-Btools", "-B tools", "-wrapper gdb,--args", "-wrapper ./w", "-specs=my.specs"] {
            assert_eq!(found("CGO_CFLAGS", relative), None, "{relative}");
        }
    }
}

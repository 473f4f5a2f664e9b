//! How the go command that started us was called, as far as results depend on it: whether its command line or `GOFLAGS` bring in a
//! file or a program that Go's keys leave out. The keys hold the text of a flag and not the file that it names
//! (docs/facts/conditions.md, "Flags that bring in a file"). What cannot be read or told is taken to bring one in.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::parent_process::parent_file;

use super::quoted;

/// A longer command line is not read. Usual ones have some hundred bytes.
const MAX_LINE: u64 = 1 << 20;

/// Flags of the go command that bring in files or programs (cmd/go/internal/work/build.go `AddBuildFlags`,
/// cmd/go/internal/vet/vetflag.go, Go 1.21-1.27).
const BRING_IN: [&[u8]; 9] = [
    b"toolexec",
    b"overlay",
    b"asmflags",
    b"compiler",
    b"gccgoflags",
    b"linkshared",
    b"pkgdir",
    b"vettool",
    b"fixtool",
];

/// Switches of the Go compiler that name no file, and what they decide is in the key by their text
/// (cmd/compile/internal/base/flag.go `CmdFlags`, Go 1.21-1.27).
const SWITCHES: [&[u8]; 22] = [
    b"%",
    b"B",
    b"C",
    b"E",
    b"K",
    b"L",
    b"N",
    b"S",
    b"W",
    b"c",
    b"d",
    b"dwarf",
    b"dwarfbasentries",
    b"dwarflocationlists",
    b"e",
    b"h",
    b"l",
    b"lang",
    b"live",
    b"m",
    b"spectre",
    b"wb",
];

/// The go command that started us.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invocation {
    /// The file that it runs.
    exe: Option<PathBuf>,
    /// Its arguments, its own name first.
    arguments: Option<Vec<OsString>>,
    /// `GOFLAGS` as it exports them, also from a file (cmd/go/internal/envcmd `MkEnv`, cmd/go/main.go).
    goflags: OsString,
}

impl Invocation {
    /// Reads it from `/proc`, with the `GOFLAGS` of our own environment.
    pub(crate) fn read(goflags: Option<&OsStr>) -> Self {
        Self {
            exe: parent_file("exe").and_then(|path| fs::read_link(path).ok()),
            arguments: parent_file("cmdline").and_then(|path| command_line(&path)),
            goflags: goflags.unwrap_or_default().to_owned(),
        }
    }

    /// The arguments; `None` where they cannot be read.
    pub(crate) fn arguments(&self) -> Option<&[OsString]> {
        self.arguments.as_deref()
    }

    /// Whether Go's keys hold all that the command line and `GOFLAGS` bring in.
    pub(crate) fn is_clean(&self, goroot: &Path) -> bool {
        let Some(flags) = self.flags() else { return false };
        self.is_go(goroot) && is_clean(&flags)
    }

    /// Whether it is the go command of this toolchain and reads the sources of the toolchain themselves: with `-overlay` it reads
    /// other files in their place. The key of an index has only names, sizes and mtimes of these (cmd/go/internal/fsys,
    /// cmd/go/internal/modindex/read.go `dirHash`, Go 1.21-1.27), which may be the same.
    pub(crate) fn reads_goroot(&self, goroot: &Path) -> bool {
        let is_below = |exe: &PathBuf| goroot.is_absolute() && exe.starts_with(goroot);
        let overlay = b"-overlay";
        let has_it = |text: &[u8]| text.windows(overlay.len()).any(|window| window == overlay);
        self.exe.as_ref().is_some_and(is_below)
            && self.arguments.as_ref().is_some_and(|all| !all.iter().any(|argument| has_it(argument.as_bytes())))
            && !has_it(self.goflags.as_bytes())
    }

    /// The programs of `-exec` with their arguments: they run the tests. `None` where that cannot be told.
    pub(crate) fn exec(&self) -> Option<Vec<Vec<u8>>> {
        let flags = self.flags()?;
        let mut words = Vec::new();
        for value in values(&flags, b"exec") {
            words.extend(quoted::split(value?)?);
        }
        Some(words)
    }

    /// Whether a flag names a linker or gives flags to it: then a test's program may hold files that are in no key.
    pub(crate) fn names_linker(&self) -> bool {
        let named = |text: &[u8]| text.windows(b"-extld".len()).any(|window| window == b"-extld");
        let arguments = self.arguments.iter().flatten().map(|argument| argument.as_bytes());
        arguments.chain([self.goflags.as_bytes()]).any(named)
    }

    /// Whether a flag names a file in place of go.mod, or that cannot be told: which modules are used is in that file.
    pub(crate) fn names_modfile(&self) -> bool {
        self.flags().is_none_or(|flags| values(&flags, b"modfile").next().is_some())
    }

    /// By its name, or by where it lies: distributions call it otherwise too (`go-1.26`).
    fn is_go(&self, goroot: &Path) -> bool {
        let Some(exe) = &self.exe else { return false };
        let bin = goroot.join("bin");
        let bin = fs::canonicalize(&bin).unwrap_or(bin);
        exe.file_name().is_some_and(|name| name == "go") || (goroot.is_absolute() && exe.starts_with(bin))
    }

    /// The words of `GOFLAGS`, then the arguments.
    fn flags(&self) -> Option<Vec<Vec<u8>>> {
        let mut flags = quoted::split(self.goflags.as_bytes())?;
        let arguments = self.arguments.as_ref().filter(|all| !all.is_empty())?;
        flags.extend(arguments.iter().skip(1).map(|argument| argument.as_bytes().to_owned()));
        Some(flags)
    }

    /// One that was called so.
    #[cfg(test)]
    pub(crate) fn of(arguments: &[&str], goflags: &str) -> Self {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        Self::called("/goroot/bin/go", &arguments, OsStr::new(goflags))
    }

    /// A program that was called so.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn called(exe: &str, arguments: &[OsString], goflags: &OsStr) -> Self {
        Self { exe: Some(exe.into()), arguments: Some(arguments.to_owned()), goflags: goflags.to_owned() }
    }
}

/// The arguments in a `/proc/PID/cmdline`.
fn command_line(path: &Path) -> Option<Vec<OsString>> {
    let mut line = Vec::new();
    File::open(path).ok()?.take(MAX_LINE + 1).read_to_end(&mut line).ok()?;
    if line.len() as u64 > MAX_LINE {
        return None;
    }
    arguments(&line)
}

/// The arguments in such a file's content: each has its end.
pub(super) fn arguments(line: &[u8]) -> Option<Vec<OsString>> {
    let line = line.strip_suffix(b"\0")?;
    Some(line.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_owned())).collect())
}

/// Each word counts as a flag, also behind `-args` and as the value of another flag.
fn is_clean(flags: &[Vec<u8>]) -> bool {
    let brings_in = |word: &Vec<u8>| name_and_value(word).is_some_and(|(name, _)| BRING_IN.contains(&name));
    !flags.iter().any(brings_in) && values(flags, b"gcflags").all(|value| value.is_some_and(is_list_of_switches))
}

/// The values of a flag: behind `=`, or the next word. `None` for one without a value.
fn values<'a>(flags: &'a [Vec<u8>], flag: &'a [u8]) -> impl Iterator<Item = Option<&'a [u8]>> {
    flags.iter().enumerate().filter_map(move |(at, word)| {
        let (name, value) = name_and_value(word)?;
        (name == flag).then(|| value.or_else(|| flags.get(at + 1).map(Vec::as_slice)))
    })
}

/// The name of a flag, and its value if that is behind `=`. cmd/go takes one dash or two, and `-test.` before flags of tests.
fn name_and_value(word: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let word = word.strip_prefix(b"-")?;
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let word = word.strip_prefix(b"test.").unwrap_or(word);
    Some(match word.iter().position(|&byte| byte == b'=') {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    })
}

/// Whether the value of `-gcflags` has only switches, behind a pattern of packages or not (cmd/go/internal/load/flag.go
/// `PerPackageFlag.set`, Go 1.21-1.27).
fn is_list_of_switches(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let flags = match value.iter().position(|&byte| byte == b'=') {
        Some(at) if !value.starts_with(b"-") => &value[at + 1..],
        _ => value,
    };
    quoted::split(flags).is_some_and(|flags| flags.iter().all(|flag| is_switch(flag)))
}

/// A word without a dash is a file to the compiler.
fn is_switch(flag: &[u8]) -> bool {
    let Some((name, value)) = name_and_value(flag) else { return false };
    let is_plain = |value: &[u8]| value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b','));
    match (name, value) {
        // Debugging settings of the compiler; some of them name files to write.
        (b"d", value) => {
            value.is_some_and(|value| value == b"checkptr" || value.starts_with(b"checkptr=") && is_plain(&value[9..]))
        }
        // These take a value, so the next word would be it.
        (b"c" | b"lang" | b"spectre", None) => false,
        (_, value) => SWITCHES.contains(&name) && value.is_none_or(is_plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOROOT: &str = "/goroot";

    fn is_clean(arguments: &[&str], goflags: &str) -> bool {
        Invocation::of(&[&["go"], arguments].concat(), goflags).is_clean(Path::new(GOROOT))
    }

    #[test]
    fn usual_command_lines_are_clean() {
        for arguments in [
            &["build"][..],
            &["install", "-v", "-p", "8", "-tags=a b", "-ldflags", "-s -w -X main.v=1 -extldflags '-static'", "./..."],
            &["build", "-gcflags=-N -l", "."],
            &["build", "-gcflags", "all=-N -l", "."],
            &["build", "--gcflags=all=-N -l=4 -m=2 -lang=go1.21 -dwarf=false -spectre=all -d=checkptr=0"],
            &["build", "-gcflags=", "."],
            &["build", "-gcflags= -m ", "."],
            &["build", "-gcflags=example.org/...=-S", "-gcflags=std=-e"],
            &["test", "-race", "-cover", "-covermode=atomic", "-vet=off", "-exec=./run", "./..."],
            &["build", "-pgo=x.pprof", "-buildmode=pie", "-trimpath", "-C", "dir"],
            &["vet", "./toolexec", "overlay"],
        ] {
            assert!(is_clean(arguments, ""), "{arguments:?}");
        }
        assert!(is_clean(&["build"], "-mod=vendor -trimpath '-ldflags=-X main.v=a b' \"-gcflags=-N -l\""));
    }

    #[test]
    fn what_brings_in_a_file_or_a_program_is_not_clean() {
        for flag in ["toolexec", "overlay", "asmflags", "compiler", "linkshared", "pkgdir", "vettool", "fixtool"] {
            for words in [
                vec![format!("-{flag}=x")],
                vec![format!("--{flag}=x")],
                vec![format!("-{flag}"), "x".to_owned()],
                vec![format!("--{flag}")],
                vec![format!("-test.{flag}=x")],
                vec!["./...".to_owned(), "-args".to_owned(), format!("-{flag}=x")],
            ] {
                let arguments: Vec<_> = ["test"].into_iter().chain(words.iter().map(String::as_str)).collect();
                assert!(!is_clean(&arguments, ""), "{arguments:?}");
            }
            for goflags in [format!("-{flag}=x"), format!("-mod=mod --{flag}=x"), format!("\"-{flag}=a b\"")] {
                assert!(!is_clean(&["build"], &goflags), "{goflags}");
            }
        }
    }

    #[test]
    fn flags_of_the_compiler_that_are_no_known_switches_are_not_clean() {
        for value in [
            "-pgoprofile=/x",
            "-embedcfg=x",
            "-I x",
            "-I=x",
            "-N -symabis=x",
            "all=-importcfg=x",
            "-d=dumpinlfuncprops=x",
            "-d ssa/x",
            "-l 4",
            "x.go",
            "-lang",
            "-m='x",
            "-complete=",
            "-linkobj=x",
            "'-N' '-coveragecfg=x'",
            "-json=0,x",
            "a=-N=/x",
            "-spectre=/x",
            "-asan",
            "-o=x",
            "-goversion=x",
            "-trimpath=x",
            "-S -",
            "std=all=-N",
        ] {
            assert!(!is_clean(&["build", "-gcflags", value], ""), "{value}");
            assert!(!is_clean(&["build", &format!("--gcflags={value}")], ""), "{value}");
            assert!(!is_clean(&["build"], &format!("\"-gcflags={value}\"")), "GOFLAGS {value}");
        }
        assert!(!is_clean(&["build", "-gcflags"], ""), "no value");
        assert!(!is_clean(&["build", "-gcflags=-N", "-gcflags=-pgoprofile=x"], ""), "the second");
    }

    #[test]
    fn what_cannot_be_told_is_not_clean() {
        assert!(!is_clean(&["build"], "'-mod=mod"), "a quote without an end");
        let go = Invocation::of(&["go", "build"], "");
        let with =
            |exe: Option<&str>| Invocation { exe: exe.map(PathBuf::from), ..go.clone() }.is_clean(GOROOT.as_ref());
        assert!(with(Some("/nix/store/x/share/go/bin/go")) && with(Some("/goroot/bin/go1")));
        assert!(!with(None) && !with(Some("/usr/bin/gopls")) && !with(Some("/usr/bin/go (deleted)")));
        assert!(!Invocation { arguments: None, ..go.clone() }.is_clean(GOROOT.as_ref()));
        assert!(!Invocation { arguments: Some(Vec::new()), ..go }.is_clean(GOROOT.as_ref()));
    }

    #[test]
    fn the_command_line_of_the_parent_is_read() {
        let invocation = Invocation::read(Some("-mod=mod".as_ref()));
        assert!(!invocation.arguments().unwrap().is_empty());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cmdline");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            command_line(&path)
        };
        assert_eq!(read(b"go\0build\0\0-o=\xff\0").unwrap().len(), 4);
        assert_eq!(read(b""), None, "a process that has ended");
        assert_eq!(read(b"go\0build"), None, "a process that changed it");
        assert_eq!(read(&[b'x', 0].repeat(1 << 20)), None);
    }

    #[test]
    fn only_a_go_command_of_the_toolchain_without_an_overlay_reads_its_sources() {
        let reads =
            |root: &str, arguments: &[&str], goflags| Invocation::of(arguments, goflags).reads_goroot(root.as_ref());
        assert!(reads(GOROOT, &["go", "build", "./overlay"], "-trimpath"));
        for (root, arguments, goflags) in [
            ("", &["go", "build"][..], ""),
            ("/nix", &["go", "build"], ""),
            (GOROOT, &["go", "build", "-overlay", "/x"], ""),
            (GOROOT, &["go", "build"], "-trimpath --overlay=/x"),
        ] {
            assert!(!reads(root, arguments, goflags), "{root} {arguments:?} {goflags}");
        }
        assert!(!Invocation::default().reads_goroot("/".as_ref()));
    }

    #[test]
    fn programs_that_run_tests_are_found() {
        let exec = |arguments: &[&str], goflags| Invocation::of(arguments, goflags).exec();
        let words = |all: &[&str]| Some(all.iter().map(|word| word.as_bytes().to_owned()).collect::<Vec<_>>());
        assert_eq!(exec(&["go", "test", "."], ""), words(&[]));
        assert_eq!(exec(&["go", "test", "-exec", "./run 'a b'", "."], ""), words(&["./run", "a b"]));
        assert_eq!(exec(&["go", "test", "."], "'--exec=qemu -x'"), words(&["qemu", "-x"]));
        assert_eq!(exec(&["go", "test", "-exec"], ""), None);
        assert!(Invocation::of(&["go", "test", "-ldflags=-extldflags=-L/x"], "").names_linker());
        assert!(!Invocation::of(&["go", "test", "-ldflags=-s"], "").names_linker());
        assert!(Invocation::of(&["go", "test", "."], "-modfile=x.mod").names_modfile());
        assert!(!Invocation::of(&["go", "test", "-mod=mod"], "").names_modfile());
    }
}

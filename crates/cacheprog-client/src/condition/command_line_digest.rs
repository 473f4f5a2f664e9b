//! The command line of a go command that is not clean, and the files that it names outside of the tree.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};

use crate::digest::add_part;

use super::budget::Budget;
use super::paths;
use super::quoted;
use super::setting::Setting;
use super::stamp::Stamp;
use super::variables::text;

/// What is hashed of a command line, and which files it is made of.
#[derive(Debug)]
pub(crate) struct CommandLine {
    pub(crate) hash: Hash,
    /// The flags by name, each with a hash of its values and of the files that these name; other words are `arguments`.
    pub(crate) flags: BTreeMap<String, Hash>,
    /// The files that it names outside of store and system: some are programs.
    pub(crate) files: Vec<PathBuf>,
    /// Those of store and system.
    pub(crate) in_store: Vec<PathBuf>,
    /// When the last of the files outside of the tree changed.
    pub(crate) stamps: Vec<Stamp>,
}

/// Reads it. `None` where there is no command line, or it names a directory outside of the tree.
pub(crate) fn read(setting: &Setting, tree: &Path, own_outputs: &[PathBuf]) -> Option<CommandLine> {
    let mut line = CommandLine {
        hash: Hash::from_bytes([0; 32]),
        flags: BTreeMap::new(),
        files: Vec::new(),
        in_store: Vec::new(),
        stamps: Vec::new(),
    };
    let mut hasher = Hasher::new();
    let mut by_name: BTreeMap<String, Hasher> = BTreeMap::new();
    let mut names = FlagNames::default();
    let mut budget = Budget::new(setting.look_time);
    let goflags = quoted::split(setting.goflags.as_bytes())?.into_iter();
    let goflags = goflags.map(|word| OsStr::from_bytes(&word).to_owned());
    let arguments = setting.arguments.as_ref()?;
    // Where the go command works: relative names count from there.
    let directory = setting.cwd.strip_prefix(tree).unwrap_or(&setting.cwd).as_os_str().as_bytes();
    add_part(&mut hasher, directory);
    add_part(by_name.entry("-C".to_owned()).or_default(), directory);
    for word in without_output(arguments.iter().skip(1).cloned().chain(goflags)) {
        add_part(&mut hasher, word.as_bytes());
        let flag = names.name_of(&word);
        let programs = if names_tool(&flag) { in_search_path(&word, setting) } else { Vec::new() };
        let of_flag = by_name.entry(flag).or_default();
        add_part(of_flag, word.as_bytes());
        for path in named_paths(&word).into_iter().chain(programs) {
            let path = setting.cwd.join(path);
            let is_file = path.is_file();
            if paths::is_in_store(&path, own_outputs) || paths::is_of_system(&path) {
                if is_file {
                    line.in_store.push(path);
                }
                continue;
            }
            if is_file {
                line.files.push(path.clone());
            }
            if !path.starts_with(tree) && path.exists() {
                let content = line.add_file(&path, &mut budget)?;
                hasher.update(content.as_bytes());
                of_flag.update(content.as_bytes());
            }
        }
    }
    line.hash = hasher.finalize();
    line.flags = by_name.into_iter().map(|(name, hasher)| (name, hasher.finalize())).collect();
    Some(line)
}

impl CommandLine {
    fn add_file(&mut self, path: &Path, budget: &mut Budget) -> Option<Hash> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        budget.take_bytes(metadata.len())?;
        self.stamps.push(Stamp::of(&metadata)?);
        let mut content = Hasher::new();
        content.update_reader(fs::File::open(path).ok()?).ok()?;
        Some(content.finalize())
    }
}

/// Flags that take a word of its own as their value, if they have none after `=` (cmd/go/internal/work/build.go, Go 1.21-1.27): of
/// the flags of a build, the names of the others say enough.
const WITH_VALUE: [&str; 13] = [
    "asmflags",
    "buildmode",
    "compiler",
    "exec",
    "gcflags",
    "ldflags",
    "mod",
    "modfile",
    "overlay",
    "pgo",
    "pkgdir",
    "tags",
    "toolexec",
];

/// Names the flag that a word belongs to, for people: in doubt it is one of the `arguments`.
#[derive(Debug, Default)]
struct FlagNames {
    /// The next word is this flag's value.
    waiting: Option<String>,
}

impl FlagNames {
    fn name_of(&mut self, word: &OsStr) -> String {
        let word = word.to_string_lossy();
        if let Some(name) = self.waiting.take() {
            return name;
        }
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            return "arguments".to_owned();
        };
        let (bare, has_value) = flag.split_once('=').map_or((flag, false), |(bare, _)| (bare, true));
        let name = format!("-{bare}");
        if !has_value && WITH_VALUE.contains(&bare) {
            self.waiting = Some(name.clone());
        }
        name
    }
}

/// Flags whose value is a program with its arguments. A word whose flag is not known is taken for one.
fn names_tool(flag: &str) -> bool {
    ["-toolexec", "-vettool", "-fixtool", "arguments"].contains(&flag)
}

/// The files that the bare names in a word may be, by `PATH`.
fn in_search_path(word: &OsStr, setting: &Setting) -> Vec<PathBuf> {
    let value = match word.as_bytes().iter().position(|&byte| byte == b'=') {
        Some(at) if word.as_bytes().starts_with(b"-") => &word.as_bytes()[at + 1..],
        _ => word.as_bytes(),
    };
    let directories: Vec<_> = std::env::split_paths(&text(&setting.variables, "PATH")).collect();
    let names = value.split(|byte| byte.is_ascii_whitespace() || b"'\"".contains(byte));
    let names = names.filter(|name| !name.is_empty() && !name.contains(&b'/') && !name.starts_with(b"-"));
    let find =
        |name: &[u8]| directories.iter().map(|dir| dir.join(OsStr::from_bytes(name))).find(|path| path.is_file());
    names.filter_map(find).collect()
}

/// All words but `-o` and its value: where a program is written is in no object.
fn without_output(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"-o" | b"--o" => drop(words.next()),
            bytes if bytes.starts_with(b"-o=") || bytes.starts_with(b"--o=") => {}
            _ => kept.push(word),
        }
    }
    kept
}

/// The paths in a word: the word itself, and what follows white space, `=`, `,` or a flag's letter within it.
fn named_paths(word: &OsStr) -> Vec<PathBuf> {
    let pieces = word.as_bytes().split(|byte| byte.is_ascii_whitespace() || b"=,:;'\"".contains(byte));
    let bare = pieces.flat_map(|piece| {
        let after_flag = piece.iter().position(|&byte| byte == b'/').filter(|_| piece.starts_with(b"-"));
        [Some(piece), after_flag.map(|start| &piece[start..])]
    });
    bare.flatten().filter(|path| path.contains(&b'/')).map(|path| PathBuf::from(OsStr::from_bytes(path))).collect()
}

//! The parts of a condition's digest by name, each with a hash of its own: what tells people which variable, program, flag or file
//! differs between two builds. Nothing is served or refused by it.
//!
//! A text of lines: a letter, a name, 16 hex digits. `v CC 0123456789abcdef` is a variable (never its value), `p` a program, `x` a flag
//! of the go command, `r` where the scope's root lies, `f` a file by its path below that, `d` a directory with the files below it. A scope of many files has
//! directories, and a larger one only the upper ones. A directory's hash is the sum of its files' hashes, so that two lists of
//! different depth can be compared. Only this file knows the format. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits;

/// Most files and directories that are named one by one.
const PATHS: usize = 2000;

/// Most other parts. A build has some hundred variables.
const OTHERS: usize = 2000;

/// Longest name, in bytes: the end of a longer one is cut off.
const NAME: usize = 512;

/// The kind of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A variable of the environment.
    Variable,
    /// A program, by the variable that names it.
    Program,
    /// A flag of the go command by its name with the dash; `arguments` are its other words.
    Flags,
    /// Where the scope's root lies, for a scope whose files may name it.
    Root,
    /// A file below the scope's root.
    File,
    /// A directory below the scope's root, with all files of the scope below it.
    Directory,
}

const LETTERS: [(Part, u8); 6] = [
    (Part::Variable, b'v'),
    (Part::Program, b'p'),
    (Part::Flags, b'x'),
    (Part::Root, b'r'),
    (Part::File, b'f'),
    (Part::Directory, b'd'),
];

/// A part that two conditions of one scope do not have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Difference {
    /// What it is.
    pub part: Part,
    /// Its name: of a variable its name, of a file its path.
    pub name: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.part {
            Part::Root => return f.write_str("the directory of the sources"),
            Part::Flags if !self.name.starts_with('-') => return write!(f, "the {} of the go command", self.name),
            Part::Flags => "flag",
            Part::Variable => "variable",
            Part::Program => "program",
            Part::File => "file",
            Part::Directory => "directory",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// How files are named: each by itself, or by a directory with at most so many elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Directories(usize),
    #[default]
    Files,
}

/// The parts of one condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    others: BTreeMap<(Part, Box<str>), u64>,
    depth: Depth,
    /// Files, or directories, as `depth` says.
    paths: BTreeMap<Box<str>, u64>,
}

impl Parts {
    /// Adds a variable, a program, a flag or a root, with the first bytes of a hash of it. What has too many is cut.
    pub fn add(&mut self, part: Part, name: &str, hash: &[u8]) {
        match part {
            Part::File => self.add_file(name, hash),
            Part::Directory => {}
            _ if self.others.len() >= OTHERS => {}
            _ => drop(self.others.insert((part, printable(name)), first(hash))),
        }
    }

    /// Adds a file by its path below the scope's root, with the first bytes of a hash of what counts of it.
    pub fn add_file(&mut self, path: &str, hash: &[u8]) {
        let path = printable(path);
        match self.depth {
            Depth::Files => drop(self.paths.insert(path, first(hash))),
            Depth::Directories(most) => self.add_to_directory(upper(parent(&path), most), mix(&path, first(hash))),
        }
        while self.paths.len() > PATHS && self.depth != Depth::Directories(0) {
            self.make_coarser();
        }
    }

    fn add_to_directory(&mut self, directory: &str, hash: u64) {
        let sum = self.paths.entry(directory.into()).or_default();
        *sum = sum.wrapping_add(hash);
    }

    fn make_coarser(&mut self) {
        let deepest = self.paths.keys().map(|path| elements(path)).max().unwrap_or(0);
        let next = match self.depth {
            Depth::Files => Depth::Directories(deepest.saturating_sub(1)),
            Depth::Directories(most) => Depth::Directories(most.min(deepest).saturating_sub(1)),
        };
        self.limit_depth(next);
    }

    /// Names files no more exactly than so.
    fn limit_depth(&mut self, depth: Depth) {
        let Depth::Directories(most) = depth else { return };
        let from = self.depth;
        self.depth = from.min(depth);
        for (path, hash) in std::mem::take(&mut self.paths) {
            match from {
                Depth::Files => self.add_to_directory(upper(parent(&path), most), mix(&path, hash)),
                Depth::Directories(_) => self.add_to_directory(upper(&path, most), hash),
            }
        }
    }

    /// As text of at most [`limits::PARTS`] bytes.
    #[must_use]
    pub fn write(mut self) -> Vec<u8> {
        while self.size() > limits::PARTS && self.depth != Depth::Directories(0) {
            self.make_coarser();
        }
        let path = if self.depth == Depth::Files { b'f' } else { b'd' };
        let others = self.others.iter().map(|((part, name), hash)| (letter(*part), name, hash));
        let mut out = Vec::new();
        for (letter, name, hash) in others.chain(self.paths.iter().map(|(name, hash)| (path, name, hash))) {
            let line = format!("{} {name} {hash:016x}\n", char::from(letter));
            if out.len() + line.len() <= limits::PARTS {
                out.extend_from_slice(line.as_bytes());
            }
        }
        out
    }

    fn size(&self) -> usize {
        let names = self.others.keys().map(|(_, name)| name).chain(self.paths.keys());
        names.map(|name| name.len() + "f  0123456789abcdef\n".len()).sum()
    }

    /// Reads what [`Parts::write`] wrote. Lines of another form are left out: a build may send any text.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&text[..text.len().min(limits::PARTS)]);
        let mut parts = Self::default();
        let mut directories: BTreeMap<Box<str>, u64> = BTreeMap::new();
        for (part, name, hash) in text.lines().filter_map(line) {
            match part {
                Part::File => drop(parts.paths.insert(name, hash)),
                Part::Directory => drop(directories.insert(name, hash)),
                _ => drop(parts.others.insert((part, name), hash)),
            }
        }
        if !directories.is_empty() {
            let deepest = directories.keys().map(|path| elements(path)).max().unwrap_or(0);
            parts.limit_depth(Depth::Directories(deepest));
            parts.depth = Depth::Directories(deepest);
            for (name, hash) in directories {
                parts.add_to_directory(&name, hash);
            }
        }
        parts
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.others.is_empty() && self.paths.is_empty()
    }

    /// What one has and the other has not, or has otherwise; sorted.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (mut one, mut two) = (self.clone(), other.clone());
        let depth = one.common_depth(&two);
        one.limit_depth(depth);
        two.limit_depth(depth);
        let path = if depth == Depth::Files { Part::File } else { Part::Directory };
        let mut all: Vec<_> = different(&one.others, &two.others)
            .map(|(part, name)| Difference { part: *part, name: name.to_string() })
            .chain(different(&one.paths, &two.paths).map(|name| Difference { part: path, name: name.to_string() }))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// A scope without files has no depth of its own.
    fn common_depth(&self, other: &Self) -> Depth {
        match (self.paths.is_empty(), other.paths.is_empty()) {
            (true, _) => other.depth,
            (_, true) => self.depth,
            _ => self.depth.min(other.depth),
        }
    }
}

/// The keys that only one of two maps has with this value.
fn different<'a, K: Ord>(one: &'a BTreeMap<K, u64>, two: &'a BTreeMap<K, u64>) -> impl Iterator<Item = &'a K> {
    let not_in = |map: &'a BTreeMap<K, u64>| move |(key, hash): &(&K, &u64)| map.get(*key) != Some(*hash);
    one.iter().filter(not_in(two)).chain(two.iter().filter(not_in(one))).map(|(key, _)| key)
}

fn letter(part: Part) -> u8 {
    LETTERS.iter().find(|(one, _)| *one == part).map_or(b'?', |(_, letter)| *letter)
}

fn line(line: &str) -> Option<(Part, Box<str>, u64)> {
    let (letter, rest) = line.split_once(' ')?;
    let (name, hash) = rest.rsplit_once(' ')?;
    let part = LETTERS.iter().find(|(_, one)| letter.as_bytes() == [*one])?.0;
    let is_name = !name.is_empty() && name.len() <= NAME && !name.chars().any(char::is_control);
    let hash = if hash.len() == 16 { u64::from_str_radix(hash, 16).ok()? } else { return None };
    is_name.then(|| (part, name.into(), hash))
}

/// Names come from files and variables: one line each, without what a terminal interprets.
fn printable(name: &str) -> Box<str> {
    let mut text: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let mut end = text.len().min(NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    if text.is_empty() { "?".into() } else { text.into() }
}

fn first(hash: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = hash.len().min(8);
    bytes[..length].copy_from_slice(&hash[..length]);
    u64::from_be_bytes(bytes)
}

/// The hash of a file within the sum of its directory: FNV-1a of its path and its own hash.
fn mix(path: &str, hash: u64) -> u64 {
    let bytes = path.bytes().chain([0]).chain(hash.to_be_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The directory of a file: `.` for one at the root.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(directory, _)| if directory.is_empty() { "." } else { directory })
}

fn elements(path: &str) -> usize {
    if path == "." { 0 } else { path.split('/').count() }
}

/// The first elements of a directory's path: `.` for none.
fn upper(directory: &str, most: usize) -> &str {
    if most == 0 {
        return ".";
    }
    let upper = directory.match_indices('/').nth(most - 1).map_or(directory, |(at, _)| &directory[..at]);
    if upper.is_empty() { "." } else { upper }
}

#[cfg(test)]
mod tests;

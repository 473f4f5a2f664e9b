//! Finds paths in a file that may lead out of its module: those with `..`, and absolute ones of directories that are not the system's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::reference::{ABOVE_ANY_LINK, Reference, References};
use super::token::{self, LastLine, Line, Within};
use crate::condition::excluded;

/// Bytes that are looked at together; and how much of a text without lines is looked at again with what follows.
pub(super) const PIECE: usize = 128 << 10;
pub(super) const OVERLAP: usize = 8 << 10;

/// How many bytes of paths are looked at for each byte of a text: a path is looked at once for each `..` in it. A text that
/// names files has fewer.
const MOST_LOOKS: usize = 64;

/// Most levels that a path may go up: the kernel takes no longer path.
const MOST_UP: usize = 64;

/// Where the file lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilePlace<'a> {
    /// The root of the module, or the directory to which a link out of the module leads.
    pub(crate) root: &'a Path,
    /// The directory of the file, in `root`.
    pub(crate) dir: &'a Path,
}

/// What the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Anything that a C compiler, an assembler or a linker may read.
    Any,
    /// The same, somewhere in a tree: most of its files are none of C, and `..` in a line that opens no file is not looked at.
    AnyOfTree,
    /// A Go source: its comments hold C.
    Go,
    /// What `pkg-config` reads: each line gives flags, or is a part of them.
    PkgConfig,
}

/// Names that are looked for in texts.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Directories of `/` that are not the system's, and other beginnings of absolute paths, each as text.
    pub(crate) top: Vec<Vec<u8>>,
    /// Directories that are part of no scope.
    pub(crate) left_out: Vec<PathBuf>,
    /// Directories of which programs are part of no scope.
    pub(crate) programs: Vec<PathBuf>,
}

/// Looks through one file, piece by piece.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    place: FilePlace<'a>,
    pub(super) language: Language,
    pub(super) names: &'a Names,
    /// Names in the module of what is part of no scope.
    pub(super) left_out: Vec<&'a [u8]>,
    pub(super) programs: Vec<(&'a [u8], &'a Path)>,
    text: Vec<u8>,
    /// Whether an assembler may take bytes of another file.
    pub(super) has_incbin: bool,
    /// Whether the file begins as a script with an interpreter does; `None` before its first bytes.
    is_script: Option<bool>,
    pub(super) last_line: LastLine,
    /// Bytes of paths that may still be looked at in this text.
    pub(super) looks: usize,
    pub(super) references: &'a mut References,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(
        place: FilePlace<'a>,
        language: Language,
        names: &'a Names,
        references: &'a mut References,
    ) -> Self {
        let is_here = |dir: &&PathBuf| dir.starts_with(place.root);
        let left_out = names.left_out.iter().filter(is_here).filter_map(|dir| Some(dir.file_name()?.as_bytes()));
        let left_out = left_out.chain(excluded::VERSION_CONTROL).chain(excluded::OF_NIX).collect();
        let programs = names.programs.iter().filter(is_here);
        let programs = programs.filter_map(|dir| Some((dir.file_name()?.as_bytes(), dir.as_path()))).collect();
        Self {
            place,
            language,
            names,
            left_out,
            programs,
            text: Vec::new(),
            has_incbin: false,
            is_script: None,
            last_line: None,
            looks: 0,
            references,
        }
    }

    /// Looks at the next bytes of the file.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
        if self.text.len() < PIECE {
            return;
        }
        // What is kept is seen again; what it names is kept once.
        let keep_from = token::last_line(&self.text, self.text.len() - OVERLAP);
        self.look();
        self.text.drain(..keep_from);
    }

    /// Looks at the rest.
    pub(crate) fn finish(mut self) {
        self.look();
    }

    fn look(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.is_script.get_or_insert_with(|| is_script(&text));
        self.last_line = None;
        self.looks = MOST_LOOKS * (text.len() + OVERLAP);
        self.has_incbin = memmem::find(&text, b".incbin").is_some();
        for at in memmem::find_iter(&text, b"..") {
            if self.looks == 0 {
                self.references.add(Reference::Any);
                break;
            }
            self.upward(&text, at);
        }
        for at in memmem::find_iter(&text, b".go") {
            self.go_source(&text, at);
        }
        self.indirect(&text);
        for top in &self.names.top {
            for at in memmem::find_iter(&text, top) {
                self.absolute(&text, at, at + top.len());
            }
        }
        self.text = text;
    }

    /// What the line around `at` is.
    pub(super) fn line(&mut self, text: &[u8], at: usize) -> Line {
        if self.language != Language::PkgConfig {
            return Line::around(text, at, &mut self.last_line);
        }
        let is_words = |field: &[u8]| text[token::line_start(text, at)..].starts_with(field);
        if [&b"Name:"[..], b"Description:", b"URL:", b"Version:"].into_iter().any(is_words) {
            Line::Other
        } else {
            Line::Cgo
        }
    }

    /// A path with `..` at `at`.
    fn upward(&mut self, text: &[u8], at: usize) {
        let byte = |index: Option<usize>| index.and_then(|index| text.get(index)).copied().unwrap_or(b' ');
        let (before, after) = (byte(at.checked_sub(1)), byte(Some(at + 2)));
        if token::is_of_path(after) {
            return;
        }
        let is_flagged = token::is_joined_to_flag(text, at);
        self.above_link(text, at, is_flagged);
        self.defined_as_above(text, at);
        let start = match before {
            b'/' => token::start(text, at),
            before if is_flagged || !token::is_of_path(before) => at,
            _ => return,
        };
        self.looks = self.looks.saturating_sub(at - start);
        let seen_before = text[start..at].split(|&byte| byte == b'/').any(|part| part == b"..");
        let is_absolute = text[start] == b'/' && !text[start..].starts_with(b"/..");
        // `-I/usr/../x`, which may be the directory `-I` too.
        let flagged = memchr::memchr(b'/', &text[start..at]).map(|slash| start + slash);
        let line = self.line(text, at);
        if let Some(slash) = flagged.filter(|slash| *slash + 1 < at && token::is_joined_to_flag(text, *slash)) {
            for end in token::ends(text, start, at) {
                let path = PathBuf::from(OsStr::from_bytes(&text[slash..end]));
                let is_opened = line == Line::Cgo;
                self.references.add(if is_opened { Reference::Certain(path) } else { Reference::IfThere(path) });
            }
        }
        if seen_before {
            return;
        }
        if is_absolute {
            self.absolute_with_dots(text, start, at, line);
            return;
        }
        let seen_from_anywhere = self.seen_from_anywhere(text, start, line);
        for end in token::ends(text, start, at) {
            self.looks = self.looks.saturating_sub(end - start);
            let (up, names) = token::relative(&text[start..end]);
            self.add_upward(up.min(MOST_UP), Path::new(OsStr::from_bytes(&names)), line, seen_from_anywhere);
        }
    }

    /// The same `..`, seen from a directory to which a link leads: the link may be a part of the path before it, or a search path.
    fn above_link(&mut self, text: &[u8], at: usize, is_flagged: bool) {
        let line = self.line(text, at);
        // `}` ends `${SRCDIR}`, which is no link.
        let follows_name = at >= 2 && text[at - 1] == b'/' && !b"}./".contains(&text[at - 2]);
        if (line == Line::Other && !is_flagged) || (line == Line::Cgo && !follows_name) {
            return;
        }
        for end in token::ends(text, at, at) {
            self.looks = self.looks.saturating_sub(end - at);
            let (up, names) = token::relative(&text[at..end]);
            if names.is_empty() && !follows_name {
                continue;
            }
            let names = PathBuf::from(OsStr::from_bytes(&names));
            let may_be_any = follows_name && line == Line::Directive && self.asks(text);
            self.references.add(if may_be_any { ABOVE_ANY_LINK } else { Reference::AboveLink(up.min(MOST_UP), names) });
        }
    }

    /// Whether `__has_include` or its like is on the line that was looked at last.
    pub(super) fn asks(&mut self, text: &[u8]) -> bool {
        let Some((line, _)) = &self.last_line else { return false };
        self.looks = self.looks.saturating_sub(line.len());
        memmem::find(&text[line.clone()], b"__has_").is_some()
    }

    /// What a path is that begins with `..` at `start`, where it may be seen from any directory of the module: a search path, or the
    /// directory of a package. Of most files of a tree that is asked for flags and for linkers' `INPUT(../x)`.
    fn seen_from_anywhere(&mut self, text: &[u8], start: usize, line: Line) -> Option<fn(PathBuf) -> Reference> {
        let is_of_tools = text[start] == b'-' || text[..start].ends_with(b"(");
        match line {
            Line::Cgo if self.language == Language::PkgConfig => Some(Reference::IfThere),
            Line::Cgo => None,
            Line::Directive if self.asks(text) => Some(Reference::Asked),
            Line::Other if self.language == Language::AnyOfTree && !is_of_tools => None,
            Line::Directive | Line::Other => Some(Reference::IfThere),
        }
    }

    fn add_upward(
        &mut self,
        up: usize,
        names: &Path,
        line: Line,
        seen_from_anywhere: Option<fn(PathBuf) -> Reference>,
    ) {
        let FilePlace { root, dir } = self.place;
        if up == 0 {
            return;
        }
        if line != Line::Other {
            self.add_outside(Reference::Certain(above(dir, up).join(names)));
        }
        // By its text alone `..` leads to a directory, which is always there; only flags and directives make something of it.
        if let Some(reference) = seen_from_anywhere.filter(|_| names != Path::new("")) {
            for levels in 1..=up {
                self.add_outside(reference(above(root, levels).join(names)));
            }
        }
    }

    fn add_outside(&mut self, reference: Reference) {
        let (Reference::Certain(path) | Reference::Asked(path) | Reference::IfThere(path)) = &reference else { return };
        if !path.starts_with(self.place.root) {
            self.references.add(reference);
        }
    }

    /// `/usr/../home/x`: where it leads is known where it is looked at.
    fn absolute_with_dots(&mut self, text: &[u8], start: usize, at: usize, line: Line) {
        for end in token::ends(text, start, at) {
            self.looks = self.looks.saturating_sub(end - start);
            let path = PathBuf::from(OsStr::from_bytes(&text[start..end]));
            let is_opened = line == Line::Cgo || (line == Line::Directive && self.may_be_opened(text, at));
            self.references.add(if is_opened { Reference::Certain(path) } else { Reference::IfFile(path) });
        }
    }

    /// A path that begins with a directory of `/`.
    fn absolute(&mut self, text: &[u8], at: usize, end: usize) {
        // The kernel skips `//` and `/./`.
        let from = token::before_slashes(text, at);
        let before = from.checked_sub(1).map_or(b' ', |before| text[before]);
        let is_flagged = token::is_joined_to_flag(text, from);
        if text.get(end).is_some_and(|byte| token::is_of_path(*byte))
            || ((token::is_of_path(before) || before == b'/') && !is_flagged && !is_after_equals(text, from))
        {
            return;
        }
        let line = self.line(text, at);
        let is_flagged = is_flagged || token::is_after_flag(text, from);
        // Most files of a tree are none of C: what a document mentions is not looked at.
        let is_of_tools = line != Line::Other
            || is_flagged
            || self.is_script == Some(true)
            || b"=(".contains(&before)
            || self.is_for_assembler(text, at);
        if self.language == Language::AnyOfTree && !is_of_tools {
            return;
        }
        let is_of_macro = self.is_of_macro(text, at, before);
        for end in token::ends(text, from, end) {
            let path = PathBuf::from(OsStr::from_bytes(&text[at..end]));
            let path = crate::condition::paths::from_dir(Path::new("/"), &path).unwrap_or(path);
            let is_opened =
                line == Line::Cgo || (line == Line::Directive && self.may_be_opened(text, at)) || is_of_macro;
            self.references.add(match (is_opened, is_flagged) {
                (true, _) => Reference::Certain(path),
                (false, true) => Reference::IfThere(path),
                (false, false) if line == Line::Other && self.is_script == Some(true) => Reference::IfRun(path),
                (false, false) => Reference::IfFile(path),
            });
        }
    }

    /// `#define DIR /x`: a macro may make a path of it, and an assembler one of a text: `".incbin \"" DIR "/x\""`.
    fn is_of_macro(&self, text: &[u8], at: usize, before: u8) -> bool {
        token::is_in_define(text, at)
            && match token::within(text, at) {
                Within::Code => true,
                Within::Text => self.has_incbin && before == b'"',
                Within::Comment => false,
            }
    }

    /// Whether a directive may open the path at `at`. Whether a definition of a Go source names a file is not looked at again when its object
    /// is offered.
    fn may_be_opened(&self, text: &[u8], at: usize) -> bool {
        self.language == Language::Go || !is_definition(text, at)
    }

    /// A name that ends with `.go` where a file is included.
    fn go_source(&mut self, text: &[u8], at: usize) {
        if text.get(at + 3).is_some_and(|byte| token::is_of_path(*byte) || *byte == b'/') {
            return;
        }
        let line_start = token::line_start(text, at);
        let names_one = match self.line(text, at) {
            Line::Cgo => true,
            Line::Directive => is_definition(text, at) || text.get(at + 3).is_some_and(|after| b"\">)".contains(after)),
            Line::Other => names_file(&text[line_start..at]),
        };
        if names_one {
            self.references.add(Reference::GoSource);
        }
    }
}

/// `#!/bin/sh` and the like.
fn is_script(text: &[u8]) -> bool {
    text.strip_prefix(b"#!").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"/"))
}

/// Whether a definition is on the line: of a text that may be no path to open.
pub(super) fn is_definition(text: &[u8], at: usize) -> bool {
    let start = token::line_start(text, at);
    memmem::find(&text[start..at], b"define").is_some() && memmem::find(&text[start..at], b"include").is_none()
}

/// Whether an assembler is told a file: `.incbin "x"`, also within a text of C.
pub(super) fn names_file(line: &[u8]) -> bool {
    let is_before_name = |end: usize| line.get(end).is_none_or(|after| b" \t\"\\".contains(after));
    [&b".include"[..], b".incbin"]
        .iter()
        .any(|word| memmem::find_iter(line, word).any(|at| is_before_name(at + word.len())))
}

/// `--sysroot=/x`.
fn is_after_equals(text: &[u8], at: usize) -> bool {
    at > 0 && text[at - 1] == b'='
}

fn above(dir: &Path, levels: usize) -> &Path {
    dir.ancestors().nth(levels).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests;

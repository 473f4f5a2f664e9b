//! Finds paths in a file that may lead out of its module: those with `..`, and absolute ones of directories that are not the system's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::reference::{Reference, References};
use super::token::{self, LastLine, Line};

/// Bytes that are looked at together; and how much of a text without lines is looked at again with what follows.
pub(super) const PIECE: usize = 128 << 10;
const OVERLAP: usize = 8 << 10;

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
    /// A Go source: its comments hold C.
    Go,
}

/// Looks through one file, piece by piece.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    place: FilePlace<'a>,
    language: Language,
    /// Directories of `/` that are not the system's, each as text.
    top: &'a [Vec<u8>],
    text: Vec<u8>,
    /// Whether the file begins as a script with an interpreter does; `None` before its first bytes.
    is_script: Option<bool>,
    last_line: LastLine,
    /// Bytes of paths that may still be looked at in this text.
    looks: usize,
    references: &'a mut References,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(
        place: FilePlace<'a>,
        language: Language,
        top: &'a [Vec<u8>],
        references: &'a mut References,
    ) -> Self {
        Self { place, language, top, text: Vec::new(), is_script: None, last_line: None, looks: 0, references }
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
        for at in memmem::find_iter(&text, b"..") {
            if self.looks == 0 {
                self.references.add(Reference::TooMany);
                break;
            }
            self.upward(&text, at);
        }
        for at in memmem::find_iter(&text, b".go") {
            self.go_source(&text, at);
        }
        for at in memmem::find_iter(&text, b"\\") {
            self.escaped(&text, at);
        }
        for top in self.top {
            for at in memmem::find_iter(&text, top) {
                self.absolute(&text, at, at + top.len());
            }
        }
        self.text = text;
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
        let start = match before {
            b'/' => token::start(text, at),
            before if is_flagged || !token::is_of_path(before) => at,
            _ => return,
        };
        self.looks = self.looks.saturating_sub(at - start);
        let seen_before = text[start..at].split(|&byte| byte == b'/').any(|part| part == b"..");
        let is_absolute = text[start] == b'/' && !text[start..].starts_with(b"/..");
        if seen_before || is_absolute {
            return;
        }
        let line = Line::around(text, at, &mut self.last_line);
        for end in token::ends(text, start, at) {
            self.looks = self.looks.saturating_sub(end - start);
            let (up, names) = token::relative(&text[start..end]);
            self.add_upward(up.min(MOST_UP), Path::new(OsStr::from_bytes(&names)), line);
        }
    }

    /// The same `..`, seen from a directory to which a link leads: the link may be a part of the path before it, or a search path.
    fn above_link(&mut self, text: &[u8], at: usize, is_flagged: bool) {
        let line = Line::around(text, at, &mut self.last_line);
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
            self.references.add(Reference::AboveLink(up.min(MOST_UP), PathBuf::from(OsStr::from_bytes(&names))));
        }
    }

    fn add_upward(&mut self, up: usize, names: &Path, line: Line) {
        let FilePlace { root, dir } = self.place;
        if up == 0 {
            return;
        }
        if line != Line::Other {
            self.add_outside(Reference::Certain(above(dir, up).join(names)));
        }
        // By its text alone `..` leads to a directory, which is always there; only flags and directives make something of it.
        if line != Line::Cgo && names != Path::new("") {
            // It may be seen from any directory of the module: a search path, or the directory of a package.
            for levels in 1..=up {
                self.add_outside(Reference::IfThere(above(root, levels).join(names)));
            }
        }
    }

    fn add_outside(&mut self, reference: Reference) {
        let (Reference::Certain(path) | Reference::IfThere(path)) = &reference else { return };
        if !path.starts_with(self.place.root) {
            self.references.add(reference);
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
        let line = Line::around(text, at, &mut self.last_line);
        let is_flagged = is_flagged || token::is_after_flag(text, from);
        for end in token::ends(text, from, end) {
            let path = PathBuf::from(OsStr::from_bytes(&text[at..end]));
            let path = crate::condition::paths::from_dir(Path::new("/"), &path).unwrap_or(path);
            // Whether a definition of a Go source names a file is not looked at again when its object is offered.
            let may_be_opened = self.language == Language::Go || !is_definition(text, at);
            let is_opened = line == Line::Cgo || (line == Line::Directive && may_be_opened);
            self.references.add(match (is_opened, is_flagged) {
                (true, _) => Reference::Certain(path),
                (false, true) => Reference::IfThere(path),
                (false, false) if line == Line::Other && self.is_script == Some(true) => Reference::IfRun(path),
                (false, false) => Reference::IfFile(path),
            });
        }
    }

    /// An escape in the name of a file that Go's assembler includes (it reads the name as Go's strconv.Unquote does): it may stand for
    /// any path.
    fn escaped(&mut self, text: &[u8], at: usize) {
        let line_start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |newline| newline + 1);
        let line = text[line_start..at].trim_ascii_start();
        let is_escape = text.get(at + 1).is_some_and(|after| b"xuU01234567".contains(after));
        if is_escape
            && line.starts_with(b"#")
            && line[1..].trim_ascii_start().starts_with(b"include")
            && line.contains(&b'"')
        {
            self.references.add(Reference::TooMany);
        }
    }

    /// A name that ends with `.go` where a file is included.
    fn go_source(&mut self, text: &[u8], at: usize) {
        if text.get(at + 3).is_some_and(|byte| token::is_of_path(*byte) || *byte == b'/') {
            return;
        }
        let line_start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |newline| newline + 1);
        let names_one = match Line::around(text, at, &mut self.last_line) {
            Line::Cgo => true,
            Line::Directive => is_definition(text, at) || text.get(at + 3).is_some_and(|after| b"\">)".contains(after)),
            Line::Other => {
                self.language == Language::Any && memmem::find(&text[line_start..at], b".inc").is_some()
                    || memmem::find(&text[line_start..at], b".incbin").is_some()
            }
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
fn is_definition(text: &[u8], at: usize) -> bool {
    let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |newline| newline + 1);
    memmem::find(&text[start..at], b"define").is_some() && memmem::find(&text[start..at], b"include").is_none()
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

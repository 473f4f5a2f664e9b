//! Paths that a text does not have as they are: of what is part of no scope, by a macro, with an escape, by a link among processes. Each
//! may be any path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::{memchr, memmem};

use super::reference::Reference;
use super::scan::{Language, OVERLAP, Scanner, is_definition, names_file};
use super::token::{self, Line, Within};
use crate::condition::{excluded, paths};

/// No file has a longer name (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

impl Scanner<'_> {
    pub(super) fn indirect(&mut self, text: &[u8]) {
        for at in memmem::find_iter(text, b"include").chain(memmem::find_iter(text, b".inc")) {
            self.escaped(text, at);
        }
        if matches!(self.language, Language::Go | Language::PkgConfig) {
            memchr::memchr_iter(b'/', text).for_each(|at| self.search_path_of_root(text, at));
        }
        for at in memmem::find_iter(text, b"(/") {
            self.argument_below_root(text, at + 1);
        }
        // A backslash, where compilers read trigraphs (gcc: `-std=c99`, `-trigraphs`).
        for at in memmem::find_iter(text, b"??/") {
            if self.line(text, at) != Line::Other || self.is_for_assembler(text, at) {
                self.references.add(Reference::Any);
            }
        }
        for at in memmem::find_iter(text, b"__TIMESTAMP__") {
            self.timestamp(text, at);
        }
        for at in memmem::find_iter(text, b"/proc/") {
            self.among_processes(text, at);
        }
        self.left_out(text);
    }

    /// An escape in the name of a file that an assembler includes (Go's reads the name as strconv.Unquote does), and a name on two lines.
    fn escaped(&mut self, text: &[u8], at: usize) {
        let is_include = text[at] == b'i' && token::is_after_sign(text, at);
        let rest = &text[at..text.len().min(at + OVERLAP)];
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphabetic() || b"._".contains(byte)).count();
        if !is_include && !names_file(&rest[..word]) {
            return;
        }
        let space = rest[word..].iter().take_while(|byte| b" \t\\".contains(byte)).count();
        let Some((quote @ (b'"' | b'<'), name)) = rest[word + space..].split_first() else { return };
        let closing = if *quote == b'<' { b'>' } else { b'"' };
        let name = &name[..memchr(closing, name).unwrap_or(name.len())];
        let is_escape = |pair: &[u8]| pair[0] == b'\\' && b"xuU01234567\r\n".contains(&pair[1]);
        let ends = name.windows(2).position(|pair| pair[0] != b'\\' && pair[1] == b'\n').unwrap_or(name.len());
        if name[..name.len().min(ends + 1)].windows(2).any(is_escape) {
            self.references.add(Reference::Any);
        }
    }

    /// `-I/`, `CPATH=/.`: below that search path an included name may be any path. A root for the system's directories (`--sysroot=/`) is none.
    fn search_path_of_root(&mut self, text: &[u8], at: usize) {
        let is_apart = |byte: &u8| byte.is_ascii_whitespace() || b":,\"'".contains(byte);
        let before = &text[..at];
        // What begins a comment of Go is none.
        let is_comment = text[token::line_start(text, at)..at].trim_ascii().is_empty();
        let is_first =
            before.last().is_none_or(|last| is_apart(last) || *last == b'=') || token::is_joined_to_flag(text, at);
        let length = text[at..].iter().take_while(|byte| b"/.".contains(byte)).count();
        let leads_elsewhere = text[at..at + length].split(|&byte| byte == b'/').any(|part| !matches!(part, b"" | b"."));
        if is_first
            && !is_comment
            && !leads_elsewhere
            && text.get(at + length).is_none_or(is_apart)
            && !before.ends_with(b"sysroot=")
            && self.line(text, at) == Line::Cgo
        {
            self.references.add(Reference::Any);
        }
    }

    /// `#define P(dir) TEXT(/dir/x.h)`: an argument of the macro may be a directory of `/`. No expression has `(/`.
    fn argument_below_root(&mut self, text: &[u8], at: usize) {
        let end = token::ends(text, at, at)[0];
        let is_known = self.names.top.iter().any(|top| text[at..end].starts_with(top))
            || paths::is_of_system(Path::new(OsStr::from_bytes(&text[at..end])));
        let is_name = text.get(at + 1).is_some_and(|&byte| token::is_of_path(byte));
        if is_name && !is_known && token::is_in_define(text, at) && token::within(text, at) == Within::Code {
            self.references.add(Reference::Any);
        }
    }

    /// The mtime of the source, which is in no key. Within quotes it is a text about it.
    fn timestamp(&mut self, text: &[u8], at: usize) {
        let before = at.checked_sub(1).map_or(b' ', |before| text[before]);
        let after = text.get(at + b"__TIMESTAMP__".len()).copied().unwrap_or(b' ');
        let is_other = |byte: u8| byte.is_ascii_alphanumeric() || b"_\"\'`<>|".contains(&byte);
        if !is_other(before) && !is_other(after) {
            self.references.add(Reference::Any);
        }
    }

    /// `/proc/self/cwd`, and its like: where it leads depends on the process.
    fn among_processes(&mut self, text: &[u8], at: usize) {
        let end = token::ends(text, at, at)[0];
        let leads_on = text[at..end].split(|&byte| byte == b'/').any(|part| matches!(part, b"cwd" | b"fd" | b"root"));
        if leads_on && (self.line(text, at) != Line::Other || self.is_for_assembler(text, at)) {
            self.references.add(Reference::Any);
        }
    }

    /// Whether a line of no directive names a file for an assembler before `at`.
    pub(super) fn is_for_assembler(&mut self, text: &[u8], at: usize) -> bool {
        if !self.has_incbin {
            return false;
        }
        let start = token::line_start(text, at);
        self.looks = self.looks.saturating_sub(at - start);
        names_file(&text[start..at])
    }

    /// Names of what is part of no scope, where files are named.
    fn left_out(&mut self, text: &[u8]) {
        let names: Vec<&[u8]> =
            self.left_out.iter().copied().chain(self.programs.iter().map(|(name, _)| *name)).collect();
        let found = names
            .iter()
            .copied()
            .chain(excluded::starts_of_temporary_names())
            .flat_map(|start| memmem::find_iter(text, start));
        let is_start = |at: &usize| {
            at.checked_sub(1).is_none_or(|before| !token::is_of_path(text[before]))
                || token::is_joined_to_flag(text, *at)
        };
        for at in found.filter(is_start) {
            let most = &text[at..text.len().min(at + LONGEST_NAME)];
            let name = &most[..most.iter().take_while(|byte| token::is_of_path(**byte)).count()];
            if self.looks == 0 {
                self.references.add(Reference::Any);
                return;
            }
            if (names.contains(&name) || excluded::is_temporary_name(name)) && self.opens(text, at, name) {
                self.left_out_name(text, at, name);
            }
        }
    }

    /// Whether the line opens a file by a relative path with this name in it.
    fn opens(&mut self, text: &[u8], at: usize, name: &[u8]) -> bool {
        let start = token::start(text, at);
        self.looks = self.looks.saturating_sub(at - start);
        let slash = memchr(b'/', &text[start..at]).map(|slash| start + slash);
        // An absolute path is looked at by itself.
        if slash.is_some_and(|slash| slash == start || token::is_joined_to_flag(text, slash)) {
            return false;
        }
        // Comments of scripts begin like directives: `# if .git is there`.
        let is_quoted = start.checked_sub(1).is_some_and(|before| b"\"<(".contains(&text[before]));
        match self.line(text, at) {
            Line::Cgo => true,
            Line::Directive if is_definition(text, at) => text.get(at + name.len()) == Some(&b'/'),
            Line::Directive => is_quoted,
            Line::Other => self.is_for_assembler(text, at),
        }
    }

    fn left_out_name(&mut self, text: &[u8], at: usize, name: &[u8]) {
        let below = &text[at + name.len()..token::ends(text, at, at)[0].max(at + name.len())];
        let below = below.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
        let below: PathBuf = below.map(OsStr::from_bytes).collect();
        let programs: Vec<_> = self.programs.iter().filter(|(known, _)| *known == name).map(|(_, dir)| *dir).collect();
        programs.iter().for_each(|dir| self.references.add(Reference::Own(dir.join(&below))));
        if programs.is_empty() {
            self.references.add(Reference::Any);
        }
    }

    /// `#define UP ..`, and `-DUP=..` for cgo: another line may make a path of it. The same for a path after a name that another
    /// line of a `.pc` file gives. A text between quotes is one for an assembler alone.
    pub(super) fn defined_as_above(&mut self, text: &[u8], at: usize) {
        let line = self.line(text, at);
        if line == Line::Other {
            return;
        }
        let (start, end) = (token::start(text, at), token::ends(text, at, at)[0]);
        self.looks = self.looks.saturating_sub(end - start + at - token::line_start(text, at));
        let is_quoted = start.checked_sub(1).is_some_and(|before| text[before] == b'"');
        let is_defined = match line {
            Line::Cgo if self.language == Language::PkgConfig => is_after_name(text, start, at),
            Line::Cgo => token::is_of_definition(text, start),
            _ if !token::relative(&text[start..end]).1.is_empty() || token::within(text, at) == Within::Comment => {
                false
            }
            _ => is_definition(text, at) && (!is_quoted || self.has_incbin),
        };
        if is_defined {
            self.references.add(Reference::Any);
        }
    }
}

/// Whether in a `.pc` file a `..` follows a name that another line gives, but that of the file's own directory, or begins the value of one.
fn is_after_name(text: &[u8], start: usize, at: usize) -> bool {
    let path = &text[start..at];
    let is_other = |name: usize| !path[name..].starts_with(b"${pcfiledir}/");
    let begins_value = path.iter().all(|byte| b"./".contains(byte))
        && text[token::line_start(text, at)..start].trim_ascii_end().ends_with(b"=");
    begins_value || memmem::find_iter(path, b"${").any(is_other)
}

//! One path in a text: where it begins and ends, what kind of line it is on, and how it is written.

use std::ops::Range;

use memchr::{memchr, memmem, memrchr};

/// Longest path that is read: the kernel's limit.
const LONGEST: usize = 4096;

/// What kind of line a path is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A preprocessor's or an assembler's, which may open a file whose path it holds.
    Directive,
    /// `#cgo`: flags of a package, relative to its directory.
    Cgo,
    Other,
}

/// Directives that may open a file, or name one for another directive. (`#line` opens none.)
const DIRECTIVES: [&[u8]; 9] =
    [b"include", b"import", b"embed", b"define", b"if", b"elif", b"pragma", b"include_next", b"cgo"];

/// The line that was looked at last, and its place: a text may have many paths on one line.
pub(super) type LastLine = Option<(Range<usize>, Line)>;

impl Line {
    /// The kind of the line around `at`. In Go sources comments may begin it.
    pub(super) fn around(text: &[u8], at: usize, last: &mut LastLine) -> Self {
        let within = |start| last.as_ref().filter(|(range, _)| range.contains(&start)).cloned();
        if let Some((_, line)) = within(at) {
            return line;
        }
        let end = memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end);
        let mut start = line_start(text, at);
        // A line that ends with a backslash goes on with the next.
        while is_continued(text, start) {
            start = line_start(text, start - 1);
            if let Some((range, line)) = within(start) {
                *last = Some((range.start..end, line));
                return line;
            }
        }
        let line = Self::of(&text[start..end]);
        *last = Some((start..end, line));
        line
    }

    fn of(line: &[u8]) -> Self {
        let line = line.trim_ascii_start();
        let line = line.strip_prefix(b"//").or_else(|| line.strip_prefix(b"/*")).unwrap_or(line).trim_ascii_start();
        if line.starts_with(b".inc") {
            return Self::Directive;
        }
        let rest = [&b"#"[..], b"%:", b"??="].iter().find_map(|sign| line.strip_prefix(*sign));
        let Some(rest) = rest.map(<[u8]>::trim_ascii_start) else { return Self::Other };
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_').count();
        match &rest[..length] {
            b"cgo" => Self::Cgo,
            word if DIRECTIVES.contains(&word) => Self::Directive,
            _ => Self::Other,
        }
    }
}

/// Whether the line before the one that begins at `start` goes on with it.
fn is_continued(text: &[u8], start: usize) -> bool {
    let Some(before) = text[..start].strip_suffix(b"\n") else { return false };
    before.strip_suffix(b"\r").unwrap_or(before).ends_with(b"\\")
}

/// Where the last line begins that may not have ended, with the lines that go on with it. `from`: where to look at most.
pub(super) fn last_line(text: &[u8], from: usize) -> usize {
    let mut start = line_start(text, text.len());
    while start > from && is_continued(text, start) {
        start = line_start(text, start - 1);
    }
    start.max(from)
}

/// Where the line around `at` begins.
pub(super) fn line_start(text: &[u8], at: usize) -> usize {
    memrchr(b'\n', &text[..at]).map_or(0, |newline| newline + 1)
}

/// What may be part of a path without quotes.
pub(super) fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_.-+@~%${}#".contains(&byte)
}

/// The beginning of the path that `at` is in the middle of.
pub(super) fn start(text: &[u8], at: usize) -> usize {
    let from = at.saturating_sub(LONGEST);
    let length = text[from..at].iter().rev().take_while(|byte| is_of_path(**byte) || **byte == b'/').count();
    at - length
}

/// The ends that the path from `start` on may have: without quotes, and up to the quote that matches the one before it.
pub(super) fn ends(text: &[u8], start: usize, at: usize) -> Vec<usize> {
    let rest = &text[at..text.len().min(at + LONGEST)];
    let plain = at + rest.iter().take_while(|byte| is_of_path(**byte) || **byte == b'/').count();
    let closing = match start.checked_sub(1).map(|before| text[before]) {
        Some(quote @ (b'"' | b'\'')) => quote,
        Some(b'<') => b'>',
        _ => return vec![plain],
    };
    let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
    let quoted = memchr(closing, line).map(|length| at + length).filter(|end| *end > plain);
    [plain].into_iter().chain(quoted).collect()
}

/// Whether a flag stands right before a path: `-I` of `-I../x`, `-include` of `-include/x`.
pub(super) fn is_joined_to_flag(text: &[u8], at: usize) -> bool {
    let from = at.saturating_sub(LONGEST_FLAG);
    let length = text[from..at].iter().rev().take_while(|byte| !is_separator(**byte)).count();
    let flag = text[at - length..at].strip_prefix(b"-").unwrap_or_default();
    let name = flag.strip_suffix(b"=").unwrap_or(flag);
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
}

/// Where the slashes, and directories `.`, begin that stand right before the path at `at`.
pub(super) fn before_slashes(text: &[u8], mut at: usize) -> usize {
    loop {
        at -= match text[..at] {
            [.., b'/', b'.'] => 2,
            [.., b'/'] => 1,
            _ => return at,
        };
    }
}

/// Where something stands on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Code,
    /// Between quotes.
    Text,
    /// In a comment that begins on the line.
    Comment,
}

/// Where `at` stands, by what is before it on its line.
pub(super) fn within(text: &[u8], at: usize) -> Within {
    let line = text[line_start(text, at)..at].trim_ascii_start();
    // Of a Go source the comment itself may begin the line.
    let mut rest = line.strip_prefix(b"//").or_else(|| line.strip_prefix(b"/*")).unwrap_or(line);
    let mut place = Within::Code;
    while let Some(&first) = rest.first() {
        let (next, length) = match (place, first, rest.get(1)) {
            (Within::Code, b'/', Some(b'/')) => return Within::Comment,
            (Within::Code, b'/', Some(b'*')) => (Within::Comment, 2),
            (Within::Comment, b'*', Some(b'/')) => (Within::Code, 2),
            (Within::Code, b'"', _) => (Within::Text, 1),
            (Within::Text, b'\\', Some(_)) => (Within::Text, 2),
            (Within::Text, b'"', _) => (Within::Code, 1),
            _ => (place, 1),
        };
        (place, rest) = (next, &rest[length..]);
    }
    place
}

/// Whether only the sign of a directive stands before `at`, and what makes no difference: `/**/ #  include`.
pub(super) fn is_after_sign(text: &[u8], at: usize) -> bool {
    let before = text[at.saturating_sub(LONGEST)..at].trim_ascii_end();
    [&b"#"[..], b"%:", b"??="].iter().any(|sign| before.ends_with(sign))
}

/// Whether `at` is behind `#define` on its line.
pub(super) fn is_in_define(text: &[u8], at: usize) -> bool {
    let start = line_start(text, at);
    memmem::find_iter(&text[start..at], b"define").any(|word| is_after_sign(text, start + word))
}

/// Whether `at` is in the value of a definition, on a line for cgo: `-DUP=`, and `UP=` after `-D`.
pub(super) fn is_of_definition(text: &[u8], at: usize) -> bool {
    let before = &text[at.saturating_sub(LONGEST)..at];
    let length = before.iter().rev().take_while(|byte| !byte.is_ascii_whitespace()).count();
    let word = &before[before.len() - length..];
    let word = word.strip_prefix(b"\"").or_else(|| word.strip_prefix(b"'")).unwrap_or(word);
    word.contains(&b'=') && (word.starts_with(b"-D") || !word.starts_with(b"-"))
}

/// Whether the word before is such a flag: `-I` of `-I ../x`.
pub(super) fn is_after_flag(text: &[u8], at: usize) -> bool {
    let from = at.saturating_sub(2 * LONGEST_FLAG);
    let before = text[from..at].trim_ascii_end();
    let length = before.iter().rev().take_while(|byte| !is_separator(**byte)).count();
    before.len() < at - from && takes_directory(&before[before.len() - length..])
}

fn is_separator(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"',;".contains(&byte)
}

/// Longest flag that is looked for.
const LONGEST_FLAG: usize = 32;

/// Flags of compilers, assemblers and linkers before a directory (gcc's manual, "Directory Options"; ld's). A path of a file is found
/// without a flag.
fn takes_directory(flag: &[u8]) -> bool {
    let Some(name) = flag.strip_prefix(b"-") else { return false };
    let is_letter = matches!(name, b"I" | b"L" | b"B" | b"F" | b"J" | b"R");
    is_letter
        || [&b"isystem"[..], b"iquote", b"idirafter", b"iprefix", b"iwithprefix", b"iwithprefixbefore", b"isysroot"]
            .contains(&name)
        || [&b"-sysroot"[..], b"-library-path", b"-include-directory", b"rpath", b"rpath-link"].contains(&name)
}

/// How often a relative path goes up, and what it names from there. Parts whose value is not known count as none.
pub(super) fn relative(path: &[u8]) -> (usize, Vec<u8>) {
    let (mut up, mut names): (usize, Vec<&[u8]>) = (0, Vec::new());
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if names.pop().is_none() => up += 1,
            b".." => {}
            part if part.contains(&b'$') || part.contains(&b'%') => {}
            part => names.push(part),
        }
    }
    (up, names.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_may_open_a_file_are_told_from_others() {
        let of = |text: &str| Line::around(text.as_bytes(), text.find("..").unwrap(), &mut None);
        for line in [
            "#include \"../x.h\"",
            "  #  include <../x.h>",
            "%:include \"../x\"",
            "a\n#include \\\n \"../x.h\"\nb",
            "#define X \\\r\n \\\r\n ../x",
            "// #include \"../x.h\"",
            "\t.incbin \"../x\"",
            ".include \"../x\"",
            "#if __has_include(\"../x\")",
            "#embed <../x>",
        ] {
            assert_eq!(of(line), Line::Directive, "{line}");
        }
        for line in ["// #cgo CFLAGS: -I../x", "#cgo LDFLAGS: -L${SRCDIR}/../x", "\t#cgo linux pkg-config: ../x"] {
            assert_eq!(of(line), Line::Cgo, "{line}");
        }
        for line in ["# see ../x", "#line 1 \"../x\"", "x ../y", "#include <x.h>\n../y", "# 1 \"../x\""] {
            assert_eq!(of(line), Line::Other, "{line}");
        }
    }

    #[test]
    fn texts_and_comments_of_a_line_are_told_from_code() {
        for (line, expected) in [
            ("#define X @", Within::Code),
            ("// #define X @", Within::Code),
            ("#define X /**/ @", Within::Code),
            ("#define X \"//\" @", Within::Code),
            ("#define X \"a\\\" @", Within::Text),
            ("#define X \"@", Within::Text),
            ("#define X 1 /* @", Within::Comment),
            ("#define X 1 // @", Within::Comment),
        ] {
            assert_eq!(within(line.as_bytes(), line.find('@').unwrap()), expected, "{line}");
        }
    }

    #[test]
    fn a_relative_path_goes_up_as_the_kernel_would() {
        for (path, up, names) in [
            ("../a/b", 1, "a/b"),
            ("a/../../b", 1, "b"),
            ("./../..//c", 2, "c"),
            ("${SRCDIR}/../x", 1, "x"),
            ("a/../b", 0, "b"),
            ("/../x", 1, "x"),
        ] {
            assert_eq!(relative(path.as_bytes()), (up, names.as_bytes().to_vec()), "{path}");
        }
    }

    #[test]
    fn a_path_with_spaces_ends_at_its_quote_too() {
        let text = b"#include \"../my dir/x.h\" // y";
        let start = 10;
        assert_eq!(ends(text, start, start), [15, 23]);
        assert_eq!(ends(b"-I../x y", 2, 2), [6]);
    }
}

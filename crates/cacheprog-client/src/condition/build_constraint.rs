//! Whether Go may leave a source out of its package, by its name or its head (go/build `MatchFile`, Go 1.21-1.27). Go's keys do
//! not have such a file, and vet reads it. In doubt it may.

use memchr::memmem;

/// As much of a source as is read. Of a longer one without an answer until there, it is taken that it may be left out.
pub(crate) const HEAD: usize = 64 << 10;

/// The systems and architectures in names (internal/syslist of Go 1.26; new ones are some years apart).
const KNOWN: [&[u8]; 46] = [
    b"aix",
    b"android",
    b"darwin",
    b"dragonfly",
    b"freebsd",
    b"hurd",
    b"illumos",
    b"ios",
    b"js",
    b"linux",
    b"nacl",
    b"netbsd",
    b"openbsd",
    b"plan9",
    b"solaris",
    b"wasip1",
    b"windows",
    b"zos",
    b"386",
    b"amd64",
    b"amd64p32",
    b"arm",
    b"armbe",
    b"arm64",
    b"arm64be",
    b"loong64",
    b"mips",
    b"mipsle",
    b"mips64",
    b"mips64le",
    b"mips64p32",
    b"mips64p32le",
    b"ppc",
    b"ppc64",
    b"ppc64le",
    b"riscv",
    b"riscv64",
    b"s390",
    b"s390x",
    b"sparc",
    b"sparc64",
    b"wasm",
    b"unix",
    b"wasip2",
    b"wasm32",
    b"wasm64",
];

/// Whether a name ends with a system or an architecture: `x_linux.go`, `x_windows_amd64_test.go`.
pub(crate) fn is_in_name(name: &[u8]) -> bool {
    let stem = name.split(|&byte| byte == b'.').next().unwrap_or_default();
    stem.split(|&byte| byte == b'_').skip(1).any(|part| KNOWN.contains(&part))
}

/// Whether the head of a source has a constraint, or what else leaves a Go file out: the package `documentation`, and `import "C"`
/// without cgo. `is_whole`: the head is the whole file.
pub(crate) fn is_in_head(head: &[u8], is_whole: bool) -> bool {
    let rest = after_comments(head);
    let comments = &head[..head.len() - rest.len()];
    let has = |text: &[u8], word: &[u8]| memmem::find(text, word).is_some();
    !is_whole
        || has(comments, b"go:build")
        || has(comments, b"+build")
        || rest.strip_prefix(b"package").is_some_and(|name| name.trim_ascii_start().starts_with(b"documentation"))
        || imports_c(rest)
}

/// Whether the head of a Go source may import C.
pub(crate) fn imports_c(head: &[u8]) -> bool {
    memmem::find(head, b"\"C\"").is_some() || memmem::find(head, b"`C`").is_some()
}

/// The text after the comments and the white space that it begins with.
pub(crate) fn after_comments(mut text: &[u8]) -> &[u8] {
    text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    loop {
        text = text.trim_ascii_start();
        if text.starts_with(b"//") {
            let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
            text = &text[end..];
        } else if text.starts_with(b"/*") {
            let end = memmem::find(&text[2..], b"*/").map_or(text.len(), |end| end + 4);
            text = &text[end..];
        } else {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_system_or_an_architecture_are_found() {
        for name in ["a_linux.go", "a_windows_amd64.go", "a_arm64_test.go", "x_darwin.s", "_arm.h", "a_amd64.x.go"] {
            assert!(is_in_name(name.as_bytes()), "{name}");
        }
        for name in ["linux.go", "a.go", "a_test.go", "amd64_x.go", "a_linuxx.go", ""] {
            assert!(!is_in_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn heads_that_leave_a_file_out_are_found() {
        for head in [
            "//go:build ignore\n\npackage a\n",
            "// Copyright\n\n/* x */ // +build linux\npackage a\n",
            "/*\npackage x\n*/\n//go:build x\npackage a",
            "package documentation\n",
            "package a\n\n/*\n#include <x.h>\n*/\nimport \"C\"\n",
            "\u{feff}// +build x\npackage a",
            "/* go:build without an end",
        ] {
            assert!(is_in_head(head.as_bytes(), true), "{head}");
        }
        for head in ["package a\n\nimport \"fmt\"\n", "// go build it\npackage a\n", "", "#include \"textflag.h\"\n"] {
            assert!(!is_in_head(head.as_bytes(), true), "{head}");
        }
        assert!(is_in_head(b"package a\n", false));
    }
}

//! What a body is, by its first and last bytes. Kept in one place with the evidence, as safety hangs on it.

use crate::format::members::ARCHIVE;

/// How cmd/go keys an entry, which decides with whom it may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any other body, keyed by the content of all that went into it.
    Content,
    /// A compiled package, keyed in the same way.
    Archive,
    /// The list of files and variables that a test looked at, keyed by the content of the test's program. It only names what to
    /// look at: with another log cmd/go asks for another result, so that a wrong log costs a hit.
    TestLog,
    /// What a passing test printed, keyed by names, sizes and mtimes of the files that its log names. It is true for the build that
    /// put it; with a list of the files' contents ([`Kind::TestInputs`]) also for a build where all of them are the same.
    TestResult,
    /// Such a list, made by our client. cmd/go never asks for one.
    TestInputs,
    /// Keyed by names, sizes and modification times, which mean nothing in a Nix sandbox, where every source file has mtime 1
    /// (a module index of GOMODCACHE is keyed by its path alone). It is true only for the build that put it.
    Mtime,
    /// A module index of a directory in the Nix store, keyed by its path, which has one content. The body does not show which of
    /// both an index is.
    StoreIndex,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Content,
        Self::Archive,
        Self::TestLog,
        Self::TestResult,
        Self::TestInputs,
        Self::Mtime,
        Self::StoreIndex,
    ];

    /// The kind of a body by its beginning, at least 32 bytes of it, and by its end. `None` where that holds less than the last
    /// line, and the kind depends on it.
    #[must_use]
    pub fn of(beginning: &[u8], end: &[u8], is_whole: bool) -> Option<Self> {
        let ended = end.strip_suffix(b"\n").unwrap_or(end);
        let last = match ended.iter().rposition(|&byte| byte == b'\n') {
            Some(before) => &ended[before + 1..],
            None if is_whole => ended,
            None => return None,
        };
        Some(kind(beginning, last))
    }

    /// Whether it is a compiled package.
    #[must_use]
    pub fn is_package(self) -> bool {
        self == Self::Archive
    }
}

/// Bodies that begin so are [`Kind::Mtime`]:
///
/// - a module or package index: cmd/go/internal/modindex/write.go `indexVersion` ("go index v2" in Go 1.21-1.27), keyed in
///   read.go `moduleHash` and `dirHash`;
/// - a test's coverage profile: test.go `coverProfileAndInputKey`, Go 1.26-1.27; every profile begins with its mode.
const MTIME_PREFIXES: [&[u8]; 2] = [INDEX.as_bytes(), b"mode: "];

/// What an index begins with, whatever its version.
pub const INDEX: &str = "go index v";

/// Bodies that begin so are [`Kind::TestLog`]: cmd/go/internal/test/test.go `testlogMagic`, Go 1.21-1.27.
pub const TEST_LOG: &str = "# test log\n";

/// Bodies whose last line begins so are [`Kind::TestResult`]: without it cmd/go uses none again (test.go `tryCacheWithID`,
/// Go 1.21-1.27).
pub const TEST_PASSED: &str = "ok  \t";

/// Bodies that begin so are [`Kind::TestInputs`].
pub const TEST_INPUTS: &str = "nix-gocacheprog test inputs ";

/// Bytes at the beginning that are looked at.
const PREFIX: usize = 32;

/// Looks at a body as it passes: at its first bytes, and at the first bytes of its last line.
#[derive(Debug, Default)]
pub(crate) struct Sniffer {
    prefix: Vec<u8>,
    /// The beginning of the line that is not ended yet, and of the one before it.
    line: Vec<u8>,
    before: Vec<u8>,
}

impl Sniffer {
    /// The next piece.
    pub(crate) fn see(&mut self, piece: &[u8]) {
        append(&mut self.prefix, piece, PREFIX);
        let Some(end) = piece.iter().rposition(|&byte| byte == b'\n') else {
            return append(&mut self.line, piece, TEST_PASSED.len());
        };
        let (ended, open) = (&piece[..end], &piece[end + 1..]);
        match ended.iter().rposition(|&byte| byte == b'\n') {
            Some(start) => {
                self.before.clear();
                append(&mut self.before, &ended[start + 1..], TEST_PASSED.len());
            }
            None => {
                append(&mut self.line, ended, TEST_PASSED.len());
                self.before = std::mem::take(&mut self.line);
            }
        }
        self.line.clear();
        append(&mut self.line, open, TEST_PASSED.len());
    }

    pub(crate) fn kind(&self) -> Kind {
        kind(&self.prefix, if self.line.is_empty() { &self.before } else { &self.line })
    }
}

fn kind(beginning: &[u8], last_line: &[u8]) -> Kind {
    let begins = |with: &str| beginning.starts_with(with.as_bytes());
    // First of all, as a test prints what it likes before its last line. What a compiler could take for its own is for no other
    // build: a list of files would be all that it is served by, and nothing computes it again.
    if last_line.starts_with(TEST_PASSED.as_bytes()) {
        if beginning.starts_with(ARCHIVE) { Kind::Mtime } else { Kind::TestResult }
    } else if begins(TEST_LOG) {
        Kind::TestLog
    } else if begins(TEST_INPUTS) {
        Kind::TestInputs
    } else if MTIME_PREFIXES.iter().any(|prefix| beginning.starts_with(prefix)) {
        Kind::Mtime
    } else if beginning.starts_with(ARCHIVE) {
        Kind::Archive
    } else {
        Kind::Content
    }
}

fn append(kept: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let wanted = most.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..wanted]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(body: &[u8], piece: usize) -> Kind {
        let mut sniffer = Sniffer::default();
        body.chunks(piece).for_each(|piece| sniffer.see(piece));
        assert_eq!(Kind::of(body, body, true), Some(sniffer.kind()));
        sniffer.kind()
    }

    #[test]
    fn the_end_of_a_body_shows_its_kind_if_it_holds_the_last_line() {
        assert_eq!(Kind::of(b"x", b"t\nok  \tm\t1s\n", false), Some(Kind::TestResult));
        assert_eq!(Kind::of(b"x", b"k  \tm\t1s\n", false), None);
    }

    #[test]
    fn an_archive_that_ends_as_a_tests_result_is_for_no_other_build() {
        assert_eq!(kind(b"!<arch>\n__.PKGDEF\nok  \tm\t1s\n", 7), Kind::Mtime);
    }

    #[test]
    fn mtime_keyed_bodies_are_told_whatever_the_pieces() {
        let long = [b"=== RUN TestX\n".repeat(1000), b"PASS\nok  \texample.org/m\t0.012s\n".to_vec()].concat();
        let packages =
            [b"# test log\nPASS\nok  \tm\t1s\tcoverage: 9% in ".to_vec(), b"p, ".repeat(9000), b"\n".to_vec()].concat();
        for piece in [1, 7, 16, 5000, 100_000] {
            for mtime in [b"go index v2\n\0\0\0\0".as_slice(), b"mode: set\nx.go:1.1,2.2 1 1\n"] {
                assert_eq!(kind(mtime, piece), Kind::Mtime);
            }
            assert_eq!(kind(b"# test log\nopen x\n", piece), Kind::TestLog);
            for result in
                [b"ok  \texample.org/m\t0.012s\n".as_slice(), b"ok  \tm\t0.01s\tcoverage: 9%", &long, &packages]
            {
                assert_eq!(kind(result, piece), Kind::TestResult);
            }
            assert_eq!(kind(b"nix-gocacheprog test inputs 1 00\n", piece), Kind::TestInputs);
            for archive in [b"!<arch>\n__.PKGDEF".as_slice(), b"!<arch>\n"] {
                assert_eq!(kind(archive, piece), Kind::Archive);
            }
            for content in [
                b"".as_slice(),
                b"!<arch>",
                b"\n",
                b"go index",
                b"# test",
                b"nix-gocacheprog",
                b"ok  \tm\t0.01s\nmore\n",
            ] {
                assert_eq!(kind(content, piece), Kind::Content);
            }
        }
    }
}

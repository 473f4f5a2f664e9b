//! What a body is, by its first and last bytes. Kept in one place with the evidence, as safety hangs on it.

/// How cmd/go keys an entry, which decides with whom it may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By the content of all that went into it.
    Content,
    /// The list of files and variables that a test looked at. By the content of the test; it only says what to look at.
    TestLog,
    /// What a passing test printed, with a list of what it looked at that was made by content: true where all of that is the
    /// same (`Store::publish_test`).
    TestResult,
    /// By names, sizes and modification times, which mean nothing in a Nix sandbox, where every source file has mtime 1
    /// (a module index of GOMODCACHE even by its path alone): true for the build that put it and no other.
    Mtime,
}

/// Bodies that begin so are [`Kind::Mtime`]:
///
/// - a module or package index: cmd/go/internal/modindex/write.go `indexVersion` ("go index v2" in Go 1.21-1.27), keyed in
///   read.go `moduleHash` and `dirHash`;
/// - a test's coverage profile: test.go `coverProfileAndInputKey`, Go 1.26-1.27; every profile begins with its mode.
const MTIME_PREFIXES: [&[u8]; 2] = [b"go index v", b"mode: "];

/// Bodies that begin so are [`Kind::TestLog`]: cmd/go/internal/test/test.go `testlogMagic`, Go 1.21-1.27. The key is that of
/// the test's program and arguments. With another log cmd/go asks for another result: a wrong one costs a hit.
const TEST_LOG: &[u8] = b"# test log\n";

/// Bodies whose last line begins so are [`Kind::Mtime`]: what a passing test printed. Its key holds size, mode and mtime
/// of the files that the log names (test.go `computeTestInputsID`), and without its last line `tryCacheWithID` does not
/// use it (Go 1.21-1.27).
const TEST_PASSED: &[u8] = b"ok  \t";

/// Longest last line that is looked at: an import path, a time and a coverage.
const TAIL: usize = 4096;

/// Looks at a body as it passes.
#[derive(Debug, Default)]
pub(crate) struct Sniffer {
    prefix: Vec<u8>,
    tail: Vec<u8>,
}

impl Sniffer {
    /// The next piece.
    pub(crate) fn see(&mut self, piece: &[u8]) {
        let wanted = 16usize.saturating_sub(self.prefix.len()).min(piece.len());
        self.prefix.extend_from_slice(&piece[..wanted]);
        let from = piece.len().saturating_sub(TAIL);
        if from > 0 {
            self.tail.clear();
        }
        self.tail.extend_from_slice(&piece[from..]);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }

    pub(crate) fn kind(&self) -> Kind {
        let begins = MTIME_PREFIXES.iter().any(|prefix| self.prefix.starts_with(prefix));
        let lines = self.tail.strip_suffix(b"\n").unwrap_or(&self.tail);
        let last = lines.rsplit(|&byte| byte == b'\n').next().unwrap_or(lines);
        match () {
            () if self.prefix.starts_with(TEST_LOG) => Kind::TestLog,
            () if begins || last.starts_with(TEST_PASSED) => Kind::Mtime,
            () => Kind::Content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(body: &[u8], piece: usize) -> Kind {
        let mut sniffer = Sniffer::default();
        body.chunks(piece).for_each(|piece| sniffer.see(piece));
        sniffer.kind()
    }

    #[test]
    fn mtime_keyed_bodies_are_told_whatever_the_pieces() {
        let long = [b"=== RUN TestX\n".repeat(1000), b"PASS\nok  \texample.org/m\t0.012s\n".to_vec()].concat();
        for piece in [1, 7, 16, 5000, 100_000] {
            for mtime in [b"go index v2\n\0\0\0\0".as_slice(), b"mode: set\nx.go:1.1,2.2 1 1\n"] {
                assert_eq!(kind(mtime, piece), Kind::Mtime);
            }
            assert_eq!(kind(b"# test log\nopen x\n", piece), Kind::TestLog);
            for mtime in [b"ok  \texample.org/m\t0.012s\n".as_slice(), b"ok  \tm\t0.01s\tcoverage: 9%", &long] {
                assert_eq!(kind(mtime, piece), Kind::Mtime);
            }
            for content in
                [b"!<arch>\n__.PKGDEF".as_slice(), b"", b"\n", b"go index", b"# test", b"ok  \tm\t0.01s\nmore\n"]
            {
                assert_eq!(kind(content, piece), Kind::Content);
            }
        }
    }
}

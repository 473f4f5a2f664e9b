//! What a body is, by its first bytes. Kept in one place with the evidence, as safety hangs on it.

/// How cmd/go keys an entry, which decides with whom it may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By the content of all that went into it.
    Content,
    /// By names, sizes and modification times, which mean nothing in a Nix sandbox, where every source file has mtime 1
    /// (a module index of GOMODCACHE even by its path alone): true for the build that put it and no other.
    Mtime,
}

impl Kind {
    /// Bytes of a body that must be seen to tell.
    pub(crate) const PREFIX: usize = 16;

    /// Tells by the first [`Kind::PREFIX`] bytes of a body (all of a shorter one).
    ///
    /// - `go index v`: a module or package index, cmd/go/internal/modindex/write.go `indexVersion` ("go index v0" in
    ///   Go 1.20-1.21, "go index v2" since), keyed in read.go `moduleHash` and `dirHash`; Go 1.21-1.27.
    /// - `# test log\n`: the list of files and variables that a test looked at, cmd/go/internal/test/test.go
    ///   `testlogMagic`, keyed by the test binary and arguments; from it follows the key of the test's output
    ///   (`computeTestInputsID`: size, mode and mtime of each file); Go 1.21-1.27. Without the log nobody can name the
    ///   output, so the outputs need no recognition of their own.
    pub(crate) fn of(prefix: &[u8]) -> Self {
        if prefix.starts_with(b"go index v") || prefix.starts_with(b"# test log\n") {
            Self::Mtime
        } else {
            Self::Content
        }
    }
}

/// Whether the body is a compiled package: bit for bit what its action says, so that two for one action are a fault
/// of the compiler or of a neighbour (cmd/internal/archive `"!<arch>\n"`; Go 1.21-1.27).
pub(crate) fn is_archive(prefix: &[u8]) -> bool {
    prefix.starts_with(b"!<arch>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtime_keyed_bodies_are_told_by_their_first_bytes() {
        assert_eq!(Kind::of(b"go index v2\n\0\0\0\0"), Kind::Mtime);
        assert_eq!(Kind::of(b"go index v0\n\0\0\0\0"), Kind::Mtime);
        assert_eq!(Kind::of(b"# test log\nopen x"), Kind::Mtime);
        for content in [b"!<arch>\n__.PKGDE".as_slice(), b"", b"go index", b"# test", b"ok  \tm\t0.01s"] {
            assert_eq!(Kind::of(content), Kind::Content);
        }
    }
}

//! What a body is, as far as sharing depends on it. Pure: generic over how its bytes are read.

use std::io;

use store::Kind;
use store::archive::{MadeBy, made_by};

/// Bytes at the beginning and at the end that are looked at. A list of sources is shorter, and so is the last line of a result.
const PIECE: u64 = 64 << 10;

/// What the facts of vet begin with, within [`FACTS_BEGINNING`] bytes: the type that they are encoded with
/// (golang.org/x/tools/internal/facts `gobFact`, as vendored by Go 1.21-1.27).
const FACTS: &[u8] = b"gobFact";
const FACTS_BEGINNING: usize = 64;

/// What cmd/go puts for a profile that it prepared for compilers (cmd/internal/pgo/serialize.go, Go 1.23-1.27).
const PROFILE: &[u8] = b"GO PREPROFILE ";

/// What is between the name of a compiler and the description of its file in the entry of a compiler's id
/// (cmd/go/internal/work/exec.go `gccCompilerID`, `statString`, Go 1.21-1.27).
const COMPILER_STAT: &[u8] = b"\0stat ";

/// How a put is treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Class {
    /// For every build, or the daemon decides by what it can prove.
    Plain,
    /// For this build alone.
    Private,
    /// A compiled package.
    Package(MadeBy),
    /// It belongs to another entry, or to none.
    Side(Side),
}

/// An entry beside others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Side {
    /// No bytes: what a compiler printed, facts of vet, a mark.
    Empty,
    /// A list of a package's sources: the generated ones, each of which has an entry of its own.
    Sources(Vec<Box<str>>),
    /// Facts of vet.
    Facts,
    /// What cmd/go found out about a C compiler.
    CompilerCheck,
    /// A profile for compilers.
    Profile,
    /// Any other.
    Other,
}

/// What the class of a body depends on beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bodies {
    /// Whether indexes go to the daemon for it to decide. It proves those of a toolchain that the go command reads.
    pub(crate) offers_indexes: bool,
    /// Whether files have mtimes that tell them apart: then what is keyed by them is as good as anything else.
    pub(crate) mtimes_count: bool,
}

impl Bodies {
    /// The class of a body of `size` bytes. `read` fills a buffer from a place of it. What cannot be read is private.
    pub(crate) fn class(self, size: u64, read: &dyn Fn(&mut [u8], u64) -> io::Result<()>) -> Class {
        if size == 0 {
            return Class::Side(Side::Empty);
        }
        self.class_of(size, read).unwrap_or(Class::Private)
    }

    fn class_of(self, size: u64, read: &dyn Fn(&mut [u8], u64) -> io::Result<()>) -> Option<Class> {
        if let Some(made_by) = made_by(size, read) {
            return Some(Class::Package(made_by));
        }
        let piece = size.min(PIECE);
        let mut beginning = vec![0; usize::try_from(piece).ok()?];
        read(&mut beginning, 0).ok()?;
        let is_whole = piece == size;
        let kind = if is_whole {
            Kind::of(&beginning, &beginning, true)
        } else {
            let mut end = vec![0; beginning.len()];
            read(&mut end, size - piece).ok()?;
            Kind::of(&beginning, &end, false)
        };
        let is_index = beginning.starts_with(store::INDEX.as_bytes());
        Some(match kind? {
            // It names files; a wrong one costs a hit.
            Kind::TestLog => Class::Plain,
            Kind::Mtime | Kind::StoreIndex | Kind::TestResult if self.mtimes_count => Class::Plain,
            Kind::Mtime | Kind::StoreIndex if is_index && self.offers_indexes => Class::Plain,
            Kind::Mtime | Kind::StoreIndex | Kind::TestResult | Kind::TestInputs | Kind::Archive => Class::Private,
            Kind::Content => Class::Side(side(&beginning, is_whole)),
        })
    }
}

fn side(beginning: &[u8], is_whole: bool) -> Side {
    let begin = &beginning[..beginning.len().min(FACTS_BEGINNING)];
    if memchr::memmem::find(begin, FACTS).is_some() {
        return Side::Facts;
    }
    if beginning.starts_with(PROFILE) {
        return Side::Profile;
    }
    let is_check = matches!(beginning, b"true" | b"false") || memchr::memmem::find(beginning, COMPILER_STAT).is_some();
    match if is_whole { generated_sources(beginning) } else { None } {
        _ if is_check && is_whole => Side::CompilerCheck,
        Some(names) => Side::Sources(names),
        None => Side::Other,
    }
}

/// The generated files in a list of sources: one a line, those of the package's directory begin with `./`
/// (cmd/go/internal/work/exec.go `cacheSrcFiles`, Go 1.21-1.27). `None` for anything else.
fn generated_sources(text: &[u8]) -> Option<Vec<Box<str>>> {
    let lines = str::from_utf8(text).ok()?.strip_suffix('\n')?.split('\n');
    let mut generated = Vec::new();
    for line in lines {
        match line.strip_prefix("./") {
            Some(name) if !name.is_empty() => {}
            None if !line.is_empty() && !line.contains('/') => generated.push(line.into()),
            _ => return None,
        }
    }
    Some(generated)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SANDBOX: Bodies = Bodies { offers_indexes: true, mtimes_count: false };

    fn class(bodies: Bodies, body: &[u8]) -> Class {
        bodies.class(body.len() as u64, &|into, at| {
            let rest = usize::try_from(at).ok().and_then(|at| body.get(at..)).unwrap_or_default();
            into.copy_from_slice(rest.get(..into.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    #[test]
    fn what_is_keyed_by_mtimes_is_shared_where_they_tell_files_apart() {
        let outside = Bodies { offers_indexes: false, mtimes_count: true };
        let unproven = Bodies { offers_indexes: false, mtimes_count: false };
        let result: &[u8] = b"ok  \tm\t0.1s\n";
        let long = [&b"line\n".repeat(30_000)[..], result].concat();
        for body in [b"go index v2\n".as_slice(), b"mode: set\n", result, &long] {
            assert_eq!(class(outside, body), Class::Plain);
            assert_eq!(class(unproven, body), Class::Private);
        }
        assert_eq!(class(SANDBOX, b"go index v2\n"), Class::Plain);
        assert_eq!(class(SANDBOX, b"mode: set\n"), Class::Private);
        assert_eq!(class(SANDBOX, b"# test log\n"), Class::Plain);
        assert_eq!(class(SANDBOX, &b"x".repeat(200_000)), Class::Private, "its last line is not known");
    }

    #[test]
    fn entries_beside_others_are_told_by_their_bytes() {
        let is = |body: &[u8], side: Side| assert_eq!(class(SANDBOX, body), Class::Side(side), "{body:?}");
        is(b"", Side::Empty);
        is(b"./a.go\n./b.s\n", Side::Sources(Vec::new()));
        is(b"_cgo_gotypes.go\nx.cgo1.go\n./b.go\n", Side::Sources(vec!["_cgo_gotypes.go".into(), "x.cgo1.go".into()]));
        is(b"true", Side::CompilerCheck);
        is(b"/usr/bin/gcc\0stat 9 1ed x\n\0id", Side::CompilerCheck);
        is(b"&\x7f\x03\x01\x01\x07gobFact\x01\xff", Side::Facts);
        is(b"GO PREPROFILE V1\n", Side::Profile);
        for other in
            [b"package p\n\nimport \"C\"\n".as_slice(), b"# m\n./x.go:1: inlined\n\n", b"./\n", b"PK\x03\x04", b"\n"]
        {
            is(other, Side::Other);
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_is_private() {
        assert_eq!(SANDBOX.class(9, &|_, _| Err(io::ErrorKind::Other.into())), Class::Private);
    }
}

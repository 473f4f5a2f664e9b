//! The members of an archive (ar(5); cmd/internal/archive), and what made them. Pure, as archive.rs, which reads what is in the
//! first two. A build made the file, so that every length is checked.

use std::io;

/// What an archive begins with (ar(5); cmd/internal/archive).
pub(crate) const ARCHIVE: &[u8] = b"!<arch>\n";

/// The header of a member: name, date, owner, group, mode, size, magic.
const MEMBER_HEADER: usize = 60;

/// Largest member: none is as long, and sums of two do not overflow.
const LARGEST_MEMBER: u64 = 1 << 40;

/// What Go's own compiler and assembler begin each member with. A C compiler's object begins otherwise, as do the marks that
/// cgo leaves (cmd/internal/archive; cmd/go/internal/work/exec.go `processCgoOutputs`).
const GO_OBJECT: &[u8; 10] = b"go object ";

/// Members that are looked at: a package has two and one for each assembly file.
const MOST_MEMBERS: usize = 1000;

/// One member of an archive.
pub(crate) struct Member {
    name: [u8; 16],
    /// Where its bytes are.
    pub(crate) start: u64,
    pub(crate) size: u64,
}

impl Member {
    /// The member whose header is at `at`; `None` where there is none.
    pub(crate) fn read(read: &impl Fn(&mut [u8], u64) -> io::Result<()>, at: u64) -> Option<Self> {
        let mut header = [0; MEMBER_HEADER];
        read(&mut header, at).ok()?;
        let size = str::from_utf8(&header[48..58]).ok()?.trim_end().parse().ok()?;
        let start = at.checked_add(MEMBER_HEADER as u64)?;
        let (name, _) = header.split_first_chunk()?;
        (size < LARGEST_MEMBER).then_some(Self { name: *name, start, size })
    }

    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.iter().all(|&byte| byte == b' ' || byte == b'/'))
    }

    /// Where the next one is: members begin at even places.
    pub(crate) fn next(&self) -> Option<u64> {
        self.start.checked_add(self.size.next_multiple_of(2))
    }
}

/// Where the first member is, if this is an archive.
pub(crate) fn first_member(read: &impl Fn(&mut [u8], u64) -> io::Result<()>) -> Option<u64> {
    let mut magic = [0; ARCHIVE.len()];
    read(&mut magic, 0).ok()?;
    (magic == ARCHIVE).then_some(ARCHIVE.len() as u64)
}

/// What made the members of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeBy {
    /// Go's compiler made all of them: the package has Go sources alone.
    Compiler,
    /// Go's compiler and Go's assembler.
    CompilerAndAssembler,
    /// A C compiler had a part in it, or it cannot be told.
    Others,
}

/// What made an archive of `size` bytes; `None` for a body that is none. `read` fills a buffer from a place of it.
///
/// cmd/go packs what the compiler made first, as `__.PKGDEF` and `_go_.o`, then an object for each assembly file, then those of a C
/// compiler (cmd/go/internal/work/gc.go `gc`, exec.go `build`, Go 1.21-1.27). A source's name may not begin with `_`, so that no
/// assembly file makes an object of these names.
pub fn made_by(size: u64, read: impl Fn(&mut [u8], u64) -> io::Result<()>) -> Option<MadeBy> {
    let first = first_member(&read)?;
    Some(made_by_from(first, size, &read).unwrap_or(MadeBy::Others))
}

fn made_by_from(mut at: u64, size: u64, read: &impl Fn(&mut [u8], u64) -> io::Result<()>) -> Option<MadeBy> {
    for name in [b"__.PKGDEF".as_slice(), b"_go_.o"] {
        at = next_go_object(at, size, read, Some(name))?;
    }
    let compiled = at;
    for _ in 0..MOST_MEMBERS {
        if at == size {
            return Some(if at == compiled { MadeBy::Compiler } else { MadeBy::CompilerAndAssembler });
        }
        at = next_go_object(at, size, read, None)?;
    }
    None
}

/// The end of the member at `at`, if it is a Go object of this name.
fn next_go_object(
    at: u64,
    size: u64,
    read: &impl Fn(&mut [u8], u64) -> io::Result<()>,
    name: Option<&[u8]>,
) -> Option<u64> {
    let member = Member::read(read, at)?;
    let mut begin = [0; GO_OBJECT.len()];
    read(&mut begin, member.start).ok()?;
    let is_it = begin == *GO_OBJECT && name.is_none_or(|name| member.is_named(name));
    member.next().filter(|&next| is_it && next <= size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(bytes: &[u8]) -> Option<MadeBy> {
        made_by(bytes.len() as u64, |into, at| {
            let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
            into.copy_from_slice(rest.get(..into.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = ARCHIVE.to_vec();
        for (name, member) in members {
            bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, member.len()).into_bytes());
            bytes.extend_from_slice(member);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
        }
        bytes
    }

    const GO: &[u8] = b"go object linux amd64 go1.26.8 X:\n!\n";
    const DEF: (&str, &[u8]) = ("__.PKGDEF", GO);
    const CODE: (&str, &[u8]) = ("_go_.o", GO);

    #[test]
    fn the_members_of_an_archive_show_what_made_them() {
        assert_eq!(made(&archive(&[DEF, CODE])), Some(MadeBy::Compiler));
        let assembled = archive(&[DEF, CODE, ("x_amd64.o", b"go object odd"), ("y.o", GO)]);
        assert_eq!(made(&assembled), Some(MadeBy::CompilerAndAssembler));
        for other in [
            archive(&[DEF, CODE, ("x.o", b"\x7fELF and more than ten bytes")]),
            archive(&[DEF, CODE, ("x.o", b""), ("y.o", GO)]),
            archive(&[DEF, CODE, ("x.o", b"go objec")]),
            archive(&[("_go_.o", GO), DEF]),
            archive(&[DEF, ("x.o", GO), CODE]),
            archive(&[DEF]),
            archive(&[]),
        ] {
            assert_eq!(made(&other), Some(MadeBy::Others), "{:?}", String::from_utf8_lossy(&other));
        }
        // A member with the compiler's name at another place is the assembler's.
        assert_eq!(made(&archive(&[DEF, CODE, CODE])), Some(MadeBy::CompilerAndAssembler));
        for none in [GO, b"// Code generated by cmd/cgo; DO NOT EDIT.\n", b"true", b""] {
            assert_eq!(made(none), None);
        }
        let (compiled, one_more) = (archive(&[DEF, CODE]), archive(&[DEF, CODE, ("x_amd64.o", b"go object odd")]));
        for cut in ARCHIVE.len()..assembled.len() {
            let expected = match cut {
                _ if cut == compiled.len() => MadeBy::Compiler,
                _ if cut == one_more.len() => MadeBy::CompilerAndAssembler,
                _ => MadeBy::Others,
            };
            assert_eq!(made(&assembled[..cut]), Some(expected), "{cut}");
        }
        let many = [&[DEF, CODE][..], &vec![("x.o", GO); MOST_MEMBERS + 1]].concat();
        assert_eq!(made(&archive(&many)), Some(MadeBy::Others));
        let mut huge = compiled;
        huge[56..66].copy_from_slice(b"9999999999");
        assert_eq!(made(&huge), Some(MadeBy::Others));
    }
}

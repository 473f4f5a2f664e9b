//! What may be shared where no setup hook went before (`--transparent`): Go's keys alone tell builds apart there, so only
//! what they tell all of. That is compiled Go without C in it, that its compiler had nothing to say, and the indexes of Go's own
//! packages, which the daemon tells from others. Everything else
//! stays with the build: what cgo makes (the keys know no headers and libraries outside the package), what vet says (keyed
//! by the same), results of tests, and whatever a later Go may put that is not known here.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use proto::ActionId;
use proto::gocmd::Hit;
use sha2::{Digest, Sha256};
use store::INDEX;

use crate::sync::lock;

/// An archive, and the header of each of its members: name, date, owner, group, mode, size, magic (ar(5); cmd/internal/archive).
const ARCHIVE: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// What Go's own compiler and assembler begin each member with. A C compiler's object begins otherwise, as do the marks that
/// cgo leaves (cmd/internal/archive; cmd/go/internal/work/exec.go `processCgoOutputs`).
const GO_OBJECT: &[u8; 10] = b"go object ";

/// Members that are looked at: a package has two and one for each assembly file.
const MOST_MEMBERS: usize = 1000;

/// What this process was served that another entry belongs to.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    /// The actions of what the compiler said of the packages that were served. Held for one look-up.
    said: Mutex<HashSet<ActionId>>,
}

impl Plain {
    /// Whether an entry of another build may be used. cmd/go asks for a package, then for what was said of it
    /// (cmd/go/internal/work/buildid.go `useCache`, Go 1.21-1.27).
    pub(crate) fn admits(&self, action: &ActionId, hit: &Hit) -> bool {
        if hit.size == 0 {
            return lock(&self.said).contains(action);
        }
        let read = |bytes: &mut [u8], at: u64| File::open(&hit.path)?.read_exact_at(bytes, at);
        if is_index(read) {
            return true;
        }
        let admitted = is_compiled_go(hit.size, read);
        if admitted {
            lock(&self.said).insert(said(action));
        }
        admitted
    }
}

/// Whether a body is an index.
pub(crate) fn is_index(read: impl Fn(&mut [u8], u64) -> io::Result<()>) -> bool {
    let mut magic = [0; INDEX.len()];
    read(&mut magic, 0).is_ok() && magic == *INDEX.as_bytes()
}

/// The action of what the compiler said when it made this package (cmd/go/internal/cache `Subkey`, Go 1.21-1.27).
pub(crate) fn said(action: &ActionId) -> ActionId {
    ActionId(Sha256::new().chain_update(b"subkey:").chain_update(action.0).chain_update(b"stdout").finalize().into())
}

/// Whether a body is an archive of Go objects and nothing else. In doubt it is not.
pub(crate) fn is_compiled_go(size: u64, read: impl Fn(&mut [u8], u64) -> io::Result<()>) -> bool {
    let mut magic = [0; ARCHIVE.len()];
    if read(&mut magic, 0).is_err() || magic != *ARCHIVE {
        return false;
    }
    let mut at = ARCHIVE.len() as u64;
    for _ in 0..MOST_MEMBERS {
        if at == size {
            return true;
        }
        let (mut header, mut begin) = ([0; HEADER], [0; GO_OBJECT.len()]);
        let is_read = read(&mut header, at).and_then(|()| read(&mut begin, at + HEADER as u64)).is_ok();
        let length = str::from_utf8(&header[48..58]).ok().and_then(|text| text.trim_end().parse::<u64>().ok());
        let Some(length) = length.filter(|_| is_read && begin == *GO_OBJECT) else { return false };
        // Members begin at even places.
        at = match at.checked_add(HEADER as u64 + length.next_multiple_of(2)) {
            Some(next) if next <= size => next,
            Some(_) | None => return false,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[&[u8]]) -> Vec<u8> {
        let mut bytes = ARCHIVE.to_vec();
        for member in members {
            bytes.extend(
                format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", "x.o", 0, 0, 0, 644, member.len()).into_bytes(),
            );
            bytes.extend_from_slice(member);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
        }
        bytes
    }

    fn is_go(bytes: &[u8]) -> bool {
        is_compiled_go(bytes.len() as u64, |into, at| {
            let rest = bytes.get(usize::try_from(at).unwrap()..).unwrap_or_default();
            let piece = rest.get(..into.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            into.copy_from_slice(piece);
            Ok(())
        })
    }

    const GO: &[u8] = b"go object linux amd64 go1.26.8 X:\n!\n";

    #[test]
    fn only_archives_of_go_objects_are_compiled_go() {
        assert!(is_go(&archive(&[GO])));
        assert!(is_go(&archive(&[GO, b"go object odd", GO])));
        for other in [
            archive(&[GO, b"\x7fELF and more than ten bytes"]),
            archive(&[GO, b"", GO]),
            archive(&[b"_cgo_flags", GO]),
            archive(&[GO, b"go objec"]),
            GO.to_vec(),
            b"// Code generated by cmd/cgo; DO NOT EDIT.\n".to_vec(),
            b"true".to_vec(),
            Vec::new(),
        ] {
            assert!(!is_go(&other), "{:?}", String::from_utf8_lossy(&other));
        }
        let whole = archive(&[GO, GO]);
        for cut in ARCHIVE.len() + 1..whole.len() {
            assert_eq!(is_go(&whole[..cut]), cut == archive(&[GO]).len(), "{cut}");
        }
        assert!(!is_go(&archive(&vec![GO; MOST_MEMBERS + 1])));
        let mut huge = archive(&[GO]);
        huge[56..66].copy_from_slice(b"9999999999");
        assert!(!is_go(&huge));
    }

    #[test]
    fn what_was_said_is_asked_for_after_what_was_compiled() {
        let dir = tempfile::tempdir().unwrap();
        let (package, nothing) = (ActionId([1; 32]), said(&ActionId([1; 32])));
        let hit = |bytes: &[u8]| {
            let path = dir.path().join(format!("x{}", bytes.len()));
            std::fs::write(&path, bytes).unwrap();
            let output = proto::OutputId(Sha256::digest(bytes).into());
            Hit {
                output,
                size: bytes.len() as u64,
                time: std::time::UNIX_EPOCH,
                path: path.to_str().unwrap().to_owned(),
            }
        };
        let plain = Plain::default();
        assert!(!plain.admits(&nothing, &hit(b"")));
        assert!(!plain.admits(&package, &hit(b"ok  \tm\t0.1s\n")));
        assert!(plain.admits(&ActionId([3; 32]), &hit(b"go index v2\n")));
        assert!(!plain.admits(&nothing, &hit(b"")));
        assert!(plain.admits(&package, &hit(&archive(&[GO]))));
        assert!(plain.admits(&nothing, &hit(b"")));
        assert!(!plain.admits(&ActionId([2; 32]), &hit(b"")));
    }
}

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
use store::archive::is_compiled_go;

use crate::locks::lock;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// A package as Go's compiler makes it, as far as it is read here.
    fn compiled() -> Vec<u8> {
        let object = "go object linux";
        format!("!<arch>\n{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n{object}\n", "_go_.o", 0, 0, 0, 644, object.len()).into()
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
        assert!(plain.admits(&package, &hit(&compiled())));
        assert!(plain.admits(&nothing, &hit(b"")));
        assert!(!plain.admits(&ActionId([2; 32]), &hit(b"")));
    }
}

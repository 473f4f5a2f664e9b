//! Who may use a body in transparent mode (`--transparent`), where no setup hook ran: only Go's keys tell builds apart there.
//!
//! Two kinds of bodies are shared: compiled Go without C in it and without diagnostics of the compiler, and the indexes of Go's
//! own packages, which the daemon tells from other indexes. Everything else stays in the build: what cgo makes (the keys do not
//! contain headers and libraries outside the package), what vet prints (it has the same keys), results of tests, and kinds that a
//! later Go may add.

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

use crate::mutex::lock;

/// Decides which entries of other builds this process may use.
#[derive(Debug, Default)]
pub(crate) struct TransparentPolicy {
    /// The actions of the diagnostics of packages that were served. Held for one look-up.
    diagnostics: Mutex<HashSet<ActionId>>,
}

impl TransparentPolicy {
    /// Whether an entry of another build may be used. cmd/go asks for a package, then for its diagnostics
    /// (cmd/go/internal/work/buildid.go `useCache`, Go 1.21-1.27).
    pub(crate) fn may_use(&self, action: &ActionId, hit: &Hit) -> bool {
        if hit.output.size == 0 {
            return lock(&self.diagnostics).contains(action);
        }
        let read = |bytes: &mut [u8], at: u64| File::open(&hit.path)?.read_exact_at(bytes, at);
        if is_index(read) {
            return true;
        }
        let may_use = is_compiled_go(hit.output.size, read);
        if may_use {
            lock(&self.diagnostics).insert(diagnostics_action(action));
        }
        may_use
    }
}

/// Whether a body is an index.
pub(crate) fn is_index(read: impl Fn(&mut [u8], u64) -> io::Result<()>) -> bool {
    let mut magic = [0; INDEX.len()];
    read(&mut magic, 0).is_ok() && magic == *INDEX.as_bytes()
}

/// The action of the diagnostics that the compiler printed for this package (cmd/go/internal/cache `Subkey`, Go 1.21-1.27).
pub(crate) fn diagnostics_action(action: &ActionId) -> ActionId {
    ActionId(Sha256::new().chain_update(b"subkey:").chain_update(action.0).chain_update(b"stdout").finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a package as Go's compiler makes it.
    fn compiled() -> Vec<u8> {
        let object = "go object linux";
        format!("!<arch>\n{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n{object}\n", "_go_.o", 0, 0, 0, 644, object.len()).into()
    }

    #[test]
    fn empty_diagnostics_are_used_after_their_package() {
        let dir = tempfile::tempdir().unwrap();
        let (package, empty) = (ActionId([1; 32]), diagnostics_action(&ActionId([1; 32])));
        let hit = |bytes: &[u8]| {
            let path = dir.path().join(format!("x{}", bytes.len()));
            std::fs::write(&path, bytes).unwrap();
            let id = proto::OutputId(Sha256::digest(bytes).into());
            Hit {
                output: proto::Output { id, size: bytes.len() as u64 },
                time: std::time::UNIX_EPOCH,
                path: path.to_str().unwrap().to_owned(),
            }
        };
        let policy = TransparentPolicy::default();
        assert!(!policy.may_use(&empty, &hit(b"")));
        assert!(!policy.may_use(&package, &hit(b"ok  \tm\t0.1s\n")));
        assert!(policy.may_use(&ActionId([3; 32]), &hit(b"go index v2\n")));
        assert!(!policy.may_use(&empty, &hit(b"")));
        assert!(policy.may_use(&package, &hit(&compiled())));
        assert!(policy.may_use(&empty, &hit(b"")));
        assert!(!policy.may_use(&ActionId([2; 32]), &hit(b"")));
    }
}

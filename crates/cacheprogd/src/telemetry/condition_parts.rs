//! The parts of conditions on the disk, for `why`: one file a condition, named by its digest, of which the oldest are removed. What
//! cannot be written is left out.
//!
//! Any build may send any text under any digest: the first one stays, and nothing but what people are told depends on it. The text is
//! proto's (parts.rs).

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proto::error::with_causes;
use proto::parts::Parts;
use proto::{ScopeDigest, limits};
use store::{Store, keep_newest};

use crate::clock;
use crate::limits::{CONDITION_PARTS, CONDITION_PARTS_BYTES};

/// Their directory, in the state directory.
const DIRECTORY: &str = "conditions";

/// All texts of a state directory.
#[derive(Debug)]
pub(crate) struct ConditionParts {
    store: Arc<Store>,
    dir: PathBuf,
    /// Texts that may be written before the oldest are removed: a sixteenth of all.
    left: AtomicU64,
}

impl ConditionParts {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        let dir = store.root().join(DIRECTORY);
        // Hashes of variables: a short value can be guessed from one.
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => log::warn!("{}: {e}", dir.display()),
            _ => {}
        }
        Self { store, dir, left: AtomicU64::new(0) }
    }

    /// Keeps the parts of the condition with this digest, unless some are kept.
    pub(crate) fn keep(&self, digest: &ScopeDigest, text: &[u8]) {
        let path = self.path(digest);
        // The oldest are those that no build had for longest.
        if File::open(&path).and_then(|file| file.set_modified(clock::now())).is_ok() {
            return;
        }
        // One thread finds 0, and sets the number that was then below it.
        if self.left.fetch_sub(1, Relaxed) == 0 {
            self.left.store(CONDITION_PARTS as u64 / 16, Relaxed);
            if let Err(e) = keep_newest(&self.dir, CONDITION_PARTS, CONDITION_PARTS_BYTES) {
                log::debug!("{}: {e}", self.dir.display());
            }
        }
        let text = &text[..text.len().min(limits::PARTS)];
        if let Err(e) = self.store.write_file(&path, text) {
            log::debug!("{}", with_causes(&e));
        }
    }

    /// The parts of the condition with this digest, if they are kept.
    pub(crate) fn read(&self, digest: &ScopeDigest) -> Option<Parts> {
        let mut text = Vec::new();
        File::open(self.path(digest)).ok()?.take(limits::PARTS as u64).read_to_end(&mut text).ok()?;
        Some(Parts::read(&text))
    }

    fn path(&self, digest: &ScopeDigest) -> PathBuf {
        self.dir.join(digest.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, UNIX_EPOCH};
    use store::Access;

    fn digest(n: usize) -> ScopeDigest {
        ScopeDigest(std::array::from_fn(|i| n.to_le_bytes()[i % 8]))
    }

    fn parts(dir: &tempfile::TempDir) -> ConditionParts {
        ConditionParts::new(Arc::new(Store::open(&dir.path().join("state"), Access::Owner).unwrap()))
    }

    #[test]
    fn the_first_text_of_a_digest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let parts = parts(&dir);
        assert_eq!(parts.read(&digest(1)), None);
        assert_eq!(fs::metadata(&parts.dir).unwrap().mode() & 0o777, 0o700);
        parts.keep(&digest(1), b"v A 0000000000000001\n");
        parts.keep(&digest(1), b"v B 0000000000000001\n");
        assert_eq!(parts.read(&digest(1)), Some(Parts::read(b"v A 0000000000000001\n")));
        parts.keep(&digest(2), &vec![b'x'; limits::PARTS + 1]);
        assert_eq!(fs::metadata(parts.path(&digest(2))).unwrap().len(), limits::PARTS as u64);
    }

    #[test]
    fn the_oldest_texts_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let parts = parts(&dir);
        let most = CONDITION_PARTS + CONDITION_PARTS / 16;
        for n in 0..2 * most {
            parts.keep(&digest(n), b"x");
            // As if it were older: files made within a tick have one time.
            let time = UNIX_EPOCH + Duration::from_secs(n as u64);
            File::open(parts.path(&digest(n))).and_then(|file| file.set_modified(time)).unwrap();
        }
        let left = fs::read_dir(&parts.dir).unwrap().count();
        assert!(left <= most + 1, "{left}");
        assert!(parts.path(&digest(2 * most - 1)).exists() && !parts.path(&digest(0)).exists());
    }
}

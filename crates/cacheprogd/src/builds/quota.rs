//! What one build may put on the disk, asked before a body is read. What a build has put stays on the disk while it lives, within
//! the store's limits or not: its links hold it.
//!
//! Counted is what a file system gives, not what a body says of its length: an empty body too takes a record of one block, and
//! two files. A put that stores nothing new counts the same: whether it does is not known before it is read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};
use store::{RECORD_BYTES, on_disk};

/// Bytes in blocks: a build of Kubernetes, the largest that was seen, puts some ten GiB.
pub(crate) const MOST_BYTES: u64 = 32 << 30;

/// Files: that build makes some 100,000, and an ext4 of 100 GiB has 6.5 million inodes. One of 4 KiB each would be 4 GiB.
pub(crate) const MOST_FILES: u64 = 1 << 20;

/// What the puts of a build took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Used {
    bytes: u64,
    files: u64,
}

impl Used {
    /// What a put takes at most: a file and a record for each of its bodies, of so many bytes.
    pub(crate) fn by(bodies: &[u64]) -> Self {
        let bytes =
            bodies.iter().fold(0u64, |sum, &size| sum.saturating_add(on_disk(size)).saturating_add(RECORD_BYTES));
        Self { bytes, files: 2 * bodies.len() as u64 }
    }
}

/// What a build has taken so far.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Quota {
    /// Takes that much, if it is there. Sessions of a build that ask at once get no more together.
    pub(crate) fn take(&self, wanted: Used) -> bool {
        let bytes = self.bytes.fetch_add(wanted.bytes.min(2 * MOST_BYTES), Relaxed).saturating_add(wanted.bytes);
        let files = self.files.fetch_add(wanted.files, Relaxed).saturating_add(wanted.files);
        let may = bytes <= MOST_BYTES && files <= MOST_FILES;
        if !may {
            self.give_back(wanted);
        }
        may
    }

    /// A put took nothing after all.
    pub(crate) fn give_back(&self, wanted: Used) {
        self.bytes.fetch_sub(wanted.bytes.min(2 * MOST_BYTES), Relaxed);
        self.files.fetch_sub(wanted.files, Relaxed);
    }

    pub(crate) fn used(&self) -> Used {
        Used { bytes: self.bytes.load(Relaxed), files: self.files.load(Relaxed) }
    }
}

impl From<Used> for Quota {
    fn from(used: Used) -> Self {
        Self { bytes: AtomicU64::new(used.bytes), files: AtomicU64::new(used.files) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_takes_blocks_and_files() {
        assert_eq!(Used::by(&[0]), Used { bytes: 4096, files: 2 });
        assert_eq!(Used::by(&[1]), Used { bytes: 8192, files: 2 });
        assert_eq!(Used::by(&[4096, 4097]), Used { bytes: 4096 * 5, files: 4 });
    }

    #[test]
    fn no_more_is_taken_than_there_is() {
        let quota = Quota::from(Used { bytes: 0, files: MOST_FILES - 3 });
        assert!(!quota.take(Used::by(&[1, 1])));
        assert!(quota.take(Used::by(&[1])) && !quota.take(Used::by(&[1])), "files");
        let quota = Quota::from(Used { bytes: MOST_BYTES - 8192, files: 0 });
        for too_much in [4097, MOST_BYTES, u64::MAX] {
            assert!(!quota.take(Used::by(&[too_much])), "{too_much}");
        }
        assert_eq!(quota.used(), Used { bytes: MOST_BYTES - 8192, files: 0 });
        assert!(quota.take(Used::by(&[1])) && !quota.take(Used::by(&[0])), "blocks");
        quota.give_back(Used::by(&[1]));
        assert!(quota.take(Used::by(&[0])));
    }

    #[test]
    fn sessions_at_once_take_no_more_together() {
        let quota = Quota::from(Used { bytes: 0, files: MOST_FILES - 20 });
        let taken: usize = std::thread::scope(|scope| {
            let session = || (0..100).filter(|_| quota.take(Used::by(&[1]))).count();
            let sessions: Vec<_> = (0..4).map(|_| scope.spawn(session)).collect();
            sessions.into_iter().map(|session| session.join().unwrap()).sum()
        });
        assert!(taken <= 10, "{taken}");
    }
}

//! How much one build may put on the disk, decided before a body is read. What a build has put stays on the disk while it lives,
//! within the store's limits or not: its links keep it.
//!
//! Blocks and files are counted, and not the lengths of bodies: an empty body too takes a record of one block, and two files. A put
//! that stores nothing new counts the same: whether it does is not known before it is read. The limits are in limits.rs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};
use store::{RECORD_BYTES, on_disk};

use crate::limits::{BYTES_PER_BUILD, FILES_PER_BUILD};

/// What puts take on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskUsage {
    bytes: u64,
    files: u64,
}

impl DiskUsage {
    /// What a put takes at most: a file and a record for each of its bodies, of so many bytes.
    pub(crate) fn of_put(bodies: &[u64]) -> Self {
        let bytes =
            bodies.iter().fold(0u64, |sum, &size| sum.saturating_add(on_disk(size)).saturating_add(RECORD_BYTES));
        Self { bytes, files: 2 * bodies.len() as u64 }
    }
}

/// What a build has used so far.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Quota {
    /// Reserves that much. False where the build has not as much left. Sessions that reserve at once get no more together.
    pub(crate) fn reserve(&self, wanted: DiskUsage) -> bool {
        let bytes = self.bytes.fetch_add(wanted.bytes.min(2 * BYTES_PER_BUILD), Relaxed).saturating_add(wanted.bytes);
        let files = self.files.fetch_add(wanted.files, Relaxed).saturating_add(wanted.files);
        let may = bytes <= BYTES_PER_BUILD && files <= FILES_PER_BUILD;
        if !may {
            self.release(wanted);
        }
        may
    }

    /// A put took nothing after all.
    pub(crate) fn release(&self, wanted: DiskUsage) {
        self.bytes.fetch_sub(wanted.bytes.min(2 * BYTES_PER_BUILD), Relaxed);
        self.files.fetch_sub(wanted.files, Relaxed);
    }

    pub(crate) fn used(&self) -> DiskUsage {
        DiskUsage { bytes: self.bytes.load(Relaxed), files: self.files.load(Relaxed) }
    }
}

impl From<DiskUsage> for Quota {
    fn from(used: DiskUsage) -> Self {
        Self { bytes: AtomicU64::new(used.bytes), files: AtomicU64::new(used.files) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_takes_blocks_and_files() {
        assert_eq!(DiskUsage::of_put(&[0]), DiskUsage { bytes: 4096, files: 2 });
        assert_eq!(DiskUsage::of_put(&[1]), DiskUsage { bytes: 8192, files: 2 });
        assert_eq!(DiskUsage::of_put(&[4096, 4097]), DiskUsage { bytes: 4096 * 5, files: 4 });
    }

    #[test]
    fn no_more_is_reserved_than_the_limits_allow() {
        let quota = Quota::from(DiskUsage { bytes: 0, files: FILES_PER_BUILD - 3 });
        assert!(!quota.reserve(DiskUsage::of_put(&[1, 1])));
        assert!(quota.reserve(DiskUsage::of_put(&[1])) && !quota.reserve(DiskUsage::of_put(&[1])), "files");
        let quota = Quota::from(DiskUsage { bytes: BYTES_PER_BUILD - 8192, files: 0 });
        for too_much in [4097, BYTES_PER_BUILD, u64::MAX] {
            assert!(!quota.reserve(DiskUsage::of_put(&[too_much])), "{too_much}");
        }
        assert_eq!(quota.used(), DiskUsage { bytes: BYTES_PER_BUILD - 8192, files: 0 });
        assert!(quota.reserve(DiskUsage::of_put(&[1])) && !quota.reserve(DiskUsage::of_put(&[0])), "blocks");
        quota.release(DiskUsage::of_put(&[1]));
        assert!(quota.reserve(DiskUsage::of_put(&[0])));
    }

    #[test]
    fn sessions_that_reserve_at_once_get_no_more_together() {
        let quota = Quota::from(DiskUsage { bytes: 0, files: FILES_PER_BUILD - 20 });
        let taken: usize = std::thread::scope(|scope| {
            let session = || (0..100).filter(|_| quota.reserve(DiskUsage::of_put(&[1]))).count();
            let sessions: Vec<_> = (0..4).map(|_| scope.spawn(session)).collect();
            sessions.into_iter().map(|session| session.join().unwrap()).sum()
        });
        assert!(taken <= 10, "{taken}");
    }
}

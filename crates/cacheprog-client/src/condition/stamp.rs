//! Which file is at a path, and when it changed last: while a file has the stamp that it was read with, its content is the same.
//! The stamp is by ctime, which no program can set.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blake3::Hasher;
use rustix::fs::Stat;

/// The kernel's file times lag behind its clock by a tick. Some file systems store whole or even seconds (ext4 with small inodes,
/// some network file systems).
const TICK: Duration = Duration::from_millis(20);
const COARSE: Duration = Duration::from_secs(2);

/// A file, and when its content or its metadata changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// The ctime.
    pub(crate) changed: SystemTime,
}

impl Stamp {
    /// `None` for a ctime before 1970.
    pub(crate) fn of(metadata: &Metadata) -> Option<Self> {
        Self::new(metadata.dev(), metadata.ino(), (metadata.ctime(), metadata.ctime_nsec()))
    }

    /// The same, from a `stat` by descriptor.
    pub(crate) fn of_stat(stat: &Stat) -> Option<Self> {
        Self::new(stat.st_dev, stat.st_ino, (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?))
    }

    fn new(device: u64, inode: u64, (seconds, nanoseconds): (i64, i64)) -> Option<Self> {
        let changed = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
        Some(Self { device, inode, changed: UNIX_EPOCH + changed })
    }

    /// From this time on another change is certain to show another ctime.
    pub(crate) fn settled(&self) -> SystemTime {
        self.changed + if self.is_coarse() { COARSE } else { TICK }
    }

    /// Whether it changed before a time that is of `clock::before_changes`.
    pub(crate) fn is_before(&self, since: SystemTime) -> bool {
        self.latest_change() < since
    }

    /// It did not change after this time of the clock that the kernel stamps files with: file systems that store whole seconds (or
    /// two) show a change too early.
    pub(crate) fn latest_change(&self) -> SystemTime {
        self.changed + if self.is_coarse() { COARSE } else { Duration::ZERO }
    }

    fn is_coarse(&self) -> bool {
        self.changed.duration_since(UNIX_EPOCH).is_ok_and(|changed| changed.subsec_nanos() == 0)
    }

    pub(crate) fn add_to(&self, hasher: &mut Hasher) {
        let changed = self.changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        hasher.update(&self.device.to_le_bytes()).update(&self.inode.to_le_bytes());
        hasher.update(&changed.as_nanos().to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_settled_when_another_change_would_show_another_time() {
        let settled = |nanoseconds| Stamp::new(1, 1, (10, nanoseconds)).unwrap().settled();
        let at = |milliseconds| UNIX_EPOCH + Duration::from_millis(milliseconds);
        assert_eq!(settled(500_000_000), at(10_520));
        // One that changes at 10.9 s has the time 10 s, and so has what changes after it was read.
        assert_eq!(settled(0), at(12_000));
        let is_before = |nanoseconds, since| Stamp::new(1, 1, (10, nanoseconds)).unwrap().is_before(at(since));
        assert!(is_before(500_000_000, 10_501) && !is_before(500_000_000, 10_500));
        assert!(is_before(0, 12_001) && !is_before(0, 12_000));
    }
}

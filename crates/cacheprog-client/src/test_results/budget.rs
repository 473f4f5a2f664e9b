//! What one check may read, in files, bytes and time: another build chooses the paths in a list.

use std::time::{Duration, Instant};

/// Files and names in directories that one check looks at, bytes that it reads, and its time. Ten files are typical.
const MAX_NAMES: u32 = 50_000;
const MAX_BYTES: u64 = 64 << 20;
const MAX_TIME: Duration = Duration::from_secs(1);

/// The same for a look at a whole tree, with vendored modules: Kubernetes has 30,000 files of 300 MB.
const MAX_NAMES_OF_TREE: u32 = 100_000;
const MAX_BYTES_OF_TREE: u64 = 512 << 20;
const MAX_TIME_OF_TREE: Duration = Duration::from_secs(3);

/// What is left of it.
#[derive(Debug)]
pub(super) struct Budget {
    names: u32,
    bytes: u64,
    pub(super) until: Instant,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { names: MAX_NAMES, bytes: MAX_BYTES, until: Instant::now() + MAX_TIME }
    }

    /// For a whole tree.
    pub(super) fn of_tree() -> Self {
        Self { names: MAX_NAMES_OF_TREE, bytes: MAX_BYTES_OF_TREE, until: Instant::now() + MAX_TIME_OF_TREE }
    }

    pub(super) fn take_name(&mut self) -> Option<()> {
        let left = self.names.checked_sub(1);
        self.names = left.unwrap_or(0);
        left.filter(|_| !self.is_late()).map(drop)
    }

    pub(super) fn take_bytes(&mut self, bytes: u64) -> Option<()> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(0);
        left.map(drop)
    }

    /// Whether there was more than a check looks at. (What was only late may be read the next time.)
    pub(super) fn is_spent(&self) -> bool {
        self.names == 0 || self.bytes == 0
    }

    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }
}

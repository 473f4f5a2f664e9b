//! What one look at a scope may take: names, bytes and time. Beyond, there is no condition.

use std::time::{Duration, Instant};

/// Names that are looked at, bytes that are read, and the time. The largest Go repositories have 100,000 files; their files that are
/// no Go sources have some hundred megabytes.
const MAX_NAMES: u32 = 200_000;
const MAX_BYTES: u64 = 1 << 30;
const MAX_TIME: Duration = Duration::from_secs(3);

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Budget {
    names: u32,
    bytes: u64,
    until: Instant,
    is_spent: bool,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { names: MAX_NAMES, bytes: MAX_BYTES, until: Instant::now() + MAX_TIME, is_spent: false }
    }

    #[cfg(test)]
    pub(crate) fn of(names: u32, bytes: u64) -> Self {
        Self { names, bytes, ..Self::new() }
    }

    pub(crate) fn take_name(&mut self) -> Option<()> {
        let left = self.names.checked_sub(1);
        self.names = left.unwrap_or(0);
        self.unless_spent(left.is_some())
    }

    pub(crate) fn take_bytes(&mut self, bytes: u64) -> Option<()> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(0);
        self.unless_spent(left.is_some())
    }

    fn unless_spent(&mut self, is_left: bool) -> Option<()> {
        self.is_spent |= !is_left || Instant::now() >= self.until;
        (!self.is_spent).then_some(())
    }

    /// Whether something was refused: another try would be as long.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent
    }
}

//! What one look at a scope may take: names, bytes and time. Beyond, there is no condition.

use std::time::{Duration, Instant};

/// Names that are looked at, and bytes that are read. The largest Go repositories have 100,000 files; their files that are
/// no Go sources have some hundred megabytes.
const MAX_NAMES: u32 = 200_000;
const MAX_BYTES: u64 = 1 << 30;

/// The time of one look while a go command waits.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(3);

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Budget {
    names: u32,
    bytes: u64,
    until: Instant,
    spent: Option<Spent>,
}

/// What was not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// Names or bytes: another try would be as long.
    Size,
    Time,
}

impl Budget {
    pub(crate) fn new(time: Duration) -> Self {
        Self { names: MAX_NAMES, bytes: MAX_BYTES, until: Instant::now() + time, spent: None }
    }

    #[cfg(test)]
    pub(crate) fn of(names: u32, bytes: u64) -> Self {
        Self { names, bytes, ..Self::new(MAX_TIME) }
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
        if !is_left {
            self.spent = Some(Spent::Size);
        } else if Instant::now() >= self.until {
            self.spent = self.spent.or(Some(Spent::Time));
        }
        self.spent.is_none().then_some(())
    }

    /// Why something was refused, if it was.
    pub(crate) fn spent(&self) -> Option<Spent> {
        self.spent
    }
}

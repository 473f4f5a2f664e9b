//! The only place of this program that reads the wall clock.

use std::time::{Duration, SystemTime};

/// How far the clock that the kernel stamps files with may lag behind: a tick, with the slowest that a kernel is built with.
const TICK: Duration = Duration::from_millis(10);

/// Now.
pub(crate) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    SystemTime::now()
}

/// A moment that no file shows which is changed from now on: they all show a later one.
pub(crate) fn before_changes() -> SystemTime {
    let now = now();
    now.checked_sub(TICK).unwrap_or(now)
}

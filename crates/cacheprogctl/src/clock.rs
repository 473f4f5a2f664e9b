//! The only file of this program that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now.
pub(crate) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    SystemTime::now()
}

/// Now, in seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

//! The only place of this program that reads the wall clock.

use std::time::SystemTime;

/// Now.
pub(crate) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    SystemTime::now()
}

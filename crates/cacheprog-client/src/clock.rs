//! The only place of this program that reads the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::ClockId;

/// Now.
pub(crate) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    SystemTime::now()
}

/// A file system may store a time less exactly: in steps of 100 ns (SMB, NTFS).
const STEP: Duration = Duration::from_millis(1);

/// Now, by the clock that the kernel stamps files with: what changes from now on shows this time or a later one. It lags behind
/// [`now`] by a tick at most (1 to 10 ms). A server whose clock stamps files is taken to have the same time.
pub(crate) fn before_changes() -> SystemTime {
    let time = rustix::time::clock_gettime(ClockId::RealtimeCoarse);
    let since_epoch = Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0));
    UNIX_EPOCH + since_epoch.saturating_sub(STEP)
}

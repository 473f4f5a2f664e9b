//! The clock of the store: the wall clock, moved by tests. Creation, lifecycle, session tokens and the header `Date` follow it. Signatures
//! follow the wall clock: a client whose clock is right must still be served after thirty days have been skipped.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    /// The time of the store.
    pub(crate) fn now(&self) -> SystemTime {
        moved(wall(), self.ahead.load(Ordering::SeqCst))
    }

    /// Moves it ahead, or back.
    pub(crate) fn advance(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// The wall clock.
pub(crate) fn wall() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    SystemTime::now()
}

/// A moment moved by seconds in either direction.
pub(crate) fn moved(time: SystemTime, seconds: i64) -> SystemTime {
    let span = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { time - span } else { time + span }
}

/// As HTTP writes it: `Fri, 24 May 2013 00:00:00 GMT` (RFC 9110, 5.6.7).
pub(crate) fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]; // 1970 began on a Thursday
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    let text = humantime::format_rfc3339_seconds(time).to_string(); // 2013-05-24T00:00:00Z
    let month: usize = text[5..7].parse().unwrap_or(1);
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or(0)];
    format!("{weekday}, {} {} {} {} GMT", &text[8..10], MONTHS[month - 1], &text[..4], &text[11..19])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_documentation() {
        let time = humantime::parse_rfc3339("2013-05-24T00:00:00Z").unwrap();
        assert_eq!(http_date(time), "Fri, 24 May 2013 00:00:00 GMT");
        assert_eq!(http_date(moved(time, -1)), "Thu, 23 May 2013 23:59:59 GMT");
    }
}

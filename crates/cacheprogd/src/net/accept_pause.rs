//! When connections are accepted again after accepting failed, and how often the log has a line about it. Pure: time is an
//! argument.
//!
//! Where this process or the machine has no descriptors left, a listener stays ready whatever is done. So the listeners are left
//! alone for a moment, while the open connections go on.

use std::time::{Duration, Instant};

use crate::limits::{ACCEPT_PAUSE, WARN_INTERVAL};

/// When the log last had a line about a failure that each connection may cause.
#[derive(Debug, Default)]
pub(crate) struct LogRate(Option<Instant>);

impl LogRate {
    /// It failed again. Whether the log is to have a line about it.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|logged| now.duration_since(logged) >= WARN_INTERVAL);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

/// Whether connections are accepted now.
#[derive(Debug, Default)]
pub(crate) struct AcceptPause {
    until: Option<Instant>,
    log_rate: LogRate,
}

impl AcceptPause {
    /// Accepting failed. Whether the log is to have a line about it.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.until = Some(now + ACCEPT_PAUSE);
        self.log_rate.failed(now)
    }

    /// What is left of the pause, if there is one.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_each_failure_there_is_a_pause_and_once_a_minute_a_line_in_the_log() {
        let (start, mut pause) = (Instant::now(), AcceptPause::default());
        assert_eq!(pause.left(start), None);
        assert!(pause.failed(start));
        assert_eq!(pause.left(start), Some(ACCEPT_PAUSE));
        assert_eq!(pause.left(start + ACCEPT_PAUSE / 4), Some(ACCEPT_PAUSE * 3 / 4));
        assert_eq!(pause.left(start + ACCEPT_PAUSE), None, "then accepting is tried again");
        assert!(!pause.failed(start + ACCEPT_PAUSE));
        assert_eq!(pause.left(start + ACCEPT_PAUSE), Some(ACCEPT_PAUSE));
        assert!(pause.failed(start + WARN_INTERVAL));
    }
}

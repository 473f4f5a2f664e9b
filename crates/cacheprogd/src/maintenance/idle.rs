//! When a daemon that its socket unit started exits because it is idle: the next connection to the control socket starts it
//! again. Pure: time is an argument.
//!
//! What counts as work is decided in the accept loop (serve/).

use std::time::{Duration, Instant};

/// Since when there has been no work.
#[derive(Debug)]
pub(crate) struct Idle {
    /// How long that may be; `None`: without end.
    limit: Option<Duration>,
    since: Instant,
}

impl Idle {
    pub(crate) fn new(limit: Option<Duration>, now: Instant) -> Self {
        Self { limit, since: now }
    }

    /// Whether it was idle for so long. A live build is work although it asks nothing: only its own socket leads to this daemon,
    /// and a connection to that would not start a new one.
    pub(crate) fn is_over(&mut self, is_busy: bool, now: Instant) -> bool {
        if is_busy {
            self.since = now;
        }
        self.limit.is_some_and(|limit| now.duration_since(self.since) >= limit)
    }

    /// The limit in seconds; 0 without one.
    pub(crate) fn limit_seconds(&self) -> u64 {
        self.limit.map_or(0, |limit| limit.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_time_without_work_ends_the_daemon() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut idle = Idle::new(Some(Duration::from_secs(10)), start);
        assert!(!idle.is_over(false, at(9)));
        assert!(!idle.is_over(true, at(11)));
        assert!(!idle.is_over(false, at(20)));
        assert!(idle.is_over(false, at(21)));
        assert!(!Idle::new(None, start).is_over(false, at(1 << 20)));
    }
}

//! When a daemon that its socket unit started ends by itself: nobody needs it, and who comes next starts it again.

use std::time::{Duration, Instant};

/// Since when there has been nothing to do.
#[derive(Debug)]
pub(crate) struct Idle {
    /// How long that may be; `None`: for ever.
    longest: Option<Duration>,
    since: Instant,
}

impl Idle {
    pub(crate) fn new(longest: Option<Duration>, now: Instant) -> Self {
        Self { longest, since: now }
    }

    /// Whether it was so long. A live build is something to do though it asks nothing: only its own socket leads to us,
    /// and nothing would start the daemon for it.
    pub(crate) fn is_over(&mut self, is_busy: bool, now: Instant) -> bool {
        if is_busy {
            self.since = now;
        }
        self.longest.is_some_and(|longest| now.duration_since(self.since) >= longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_time_without_work_ends_it() {
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

//! When connections are accepted again after that failed, and how often the log is told of such failures. Where this process or the machine has no descriptors left, a listener
//! stays ready whatever is done: it is left alone for a moment, while the connections there are go on. Pure.

use std::time::{Duration, Instant};

/// How long the listeners are left alone.
const MOMENT: Duration = Duration::from_millis(100);

/// How often the log is told of what may fail at each connection.
const TOLD: Duration = Duration::from_secs(60);

/// When the log was last told.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<Instant>);

impl Told {
    /// It failed again. Whether the log is to be told.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let is_news = self.0.is_none_or(|told| now.duration_since(told) >= TOLD);
        if is_news {
            self.0 = Some(now);
        }
        is_news
    }
}

/// Whether connections are accepted now.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Option<Instant>,
    told: Told,
}

impl Pause {
    /// Accepting failed. Whether the log is to be told.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.until = Some(now + MOMENT);
        self.told.failed(now)
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
        let (start, mut pause) = (Instant::now(), Pause::default());
        assert_eq!(pause.left(start), None);
        assert!(pause.failed(start));
        assert_eq!(pause.left(start), Some(MOMENT));
        assert_eq!(pause.left(start + MOMENT / 4), Some(MOMENT * 3 / 4));
        assert_eq!(pause.left(start + MOMENT), None, "then they are tried again");
        assert!(!pause.failed(start + MOMENT));
        assert_eq!(pause.left(start + MOMENT), Some(MOMENT));
        assert!(pause.failed(start + TOLD));
    }
}

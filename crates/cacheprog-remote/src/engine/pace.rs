//! Whether a transfer is too slow: fewer bytes than the slowest rate allows, over any span of the window's length. Pure: only the
//! time that was spent waiting for the network counts, and the caller measures it.

use std::collections::VecDeque;
use std::time::Duration;

/// The parts in which a window moves on.
const STEPS: u32 = 8;

/// The rate of one transfer.
#[derive(Debug)]
pub(crate) struct Pace {
    step: Duration,
    /// Fewest bytes in a window.
    least: u64,
    /// Time waited since the transfer began.
    waited: Duration,
    /// Bytes of the last steps, the present one last.
    steps: VecDeque<u64>,
    /// The number of the present step.
    present: u128,
}

impl Pace {
    /// At least so many bytes a second, over each window.
    pub(crate) fn new(bytes_per_second: u64, window: Duration) -> Self {
        let least = u128::from(bytes_per_second) * window.as_millis() / 1000;
        Self {
            step: (window / STEPS).max(Duration::from_millis(1)),
            least: u64::try_from(least).unwrap_or(u64::MAX),
            waited: Duration::ZERO,
            steps: VecDeque::from([0]),
            present: 0,
        }
    }

    /// Takes bytes that came or went after a wait. Returns whether that is fast enough: in the whole steps before the present one
    /// and what there is of it.
    pub(crate) fn add(&mut self, waited: Duration, bytes: usize) -> bool {
        self.waited += waited;
        let now = self.waited.as_nanos() / self.step.as_nanos();
        let passed = usize::try_from(now - self.present).unwrap_or(usize::MAX);
        self.present = now;
        let kept = STEPS as usize + 1;
        for _ in 0..passed.min(kept) {
            self.steps.push_back(0);
        }
        while self.steps.len() > kept {
            self.steps.pop_front();
        }
        if let Some(present) = self.steps.back_mut() {
            *present = present.saturating_add(bytes as u64);
        }
        now < u128::from(STEPS) || self.steps.iter().sum::<u64>() >= self.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Seconds until a transfer is too slow that brings so many bytes in each second, or more.
    fn seconds(rates: impl IntoIterator<Item = usize>) -> Option<usize> {
        let mut pace = Pace::new(64 << 10, 8 * SECOND);
        rates.into_iter().position(|bytes| !pace.add(SECOND, bytes)).map(|at| at + 1)
    }

    #[test]
    fn a_drip_ends_after_the_window_and_a_steady_flow_does_not() {
        assert_eq!(seconds([1000; 20]), Some(8));
        assert_eq!(seconds([64 << 10; 1000]), None);
        assert_eq!(seconds([32 << 10; 20]), Some(8));
    }

    #[test]
    fn a_good_begin_does_not_pay_for_a_bad_end() {
        let rates = [50 << 20; 10].into_iter().chain([100; 20]);
        assert_eq!(seconds(rates), Some(19));
        assert_eq!(seconds([0, 0, 0, 0, 0, 600 << 10, 0, 0, 0]), None);
        let mut pace = Pace::new(64 << 10, 8 * SECOND);
        assert!(pace.add(7 * SECOND, 0) && !pace.add(3600 * SECOND, 1));
    }
}

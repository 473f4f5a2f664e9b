//! When to stop asking an engine that does not answer. Pure: time is an argument. There is one breaker for reads and one for writes,
//! since an engine that has lost its write quorum refuses each put at once, and reads stay good.
//!
//! A slow answer counts apart from a fault: a cluster with a hung node is slow for some seconds, and heals itself.

use std::time::{Duration, Instant};

use crate::limits::{FAULTS_TO_OPEN, PAUSE, SLOW_TO_OPEN};

/// How a request ended, as far as a breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The engine answered, if only that the object does not exist or may not be read.
    Answered,
    /// It did not, or not as HTTP demands.
    Fault,
    /// A deadline passed.
    Slow,
    /// The request ended before the engine had a part in it.
    NotAsked,
}

/// The right to send one request; it is given back with the request's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    is_probe: bool,
}

/// Counts faults, and refuses requests for a while after too many.
#[derive(Debug, Clone, Copy)]
pub struct Breaker {
    state: State,
    /// How long the next pause lasts.
    next_pause: Duration,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Requests pass. The numbers count since the last answer.
    Closed { faults: u32, slow: u32 },
    /// No request passes until then.
    Open { until: Instant },
    /// One request is on its way, and decides. If it has no end until then, another one may try: its caller may be stuck.
    Probing { until: Instant },
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed { faults: 0, slow: 0 }, next_pause: PAUSE.0 }
    }
}

impl Breaker {
    /// Lets a request pass.
    ///
    /// # Errors
    /// How long no request passes, at most.
    pub fn admit(&mut self, now: Instant) -> Result<Permit, Duration> {
        match self.state {
            State::Closed { .. } => Ok(Permit { is_probe: false }),
            State::Open { until } | State::Probing { until } if now < until => Err(until - now),
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Probing { until: now + PAUSE.0 };
                Ok(Permit { is_probe: true })
            }
        }
    }

    /// Takes the outcome of a request. While requests are refused, only the outcome of the one that decides counts: others began
    /// before.
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) {
        match self.state {
            State::Closed { faults, slow } => {
                let (faults, slow) = match outcome {
                    Outcome::Answered => (0, 0),
                    Outcome::Fault => (faults + 1, slow),
                    Outcome::Slow => (faults, slow + 1),
                    Outcome::NotAsked => (faults, slow),
                };
                self.state = State::Closed { faults, slow };
                if faults >= FAULTS_TO_OPEN || slow >= SLOW_TO_OPEN {
                    self.pause(now);
                }
            }
            State::Probing { .. } if permit.is_probe => match outcome {
                Outcome::Answered => *self = Self::default(),
                Outcome::Fault | Outcome::Slow => self.pause(now),
                Outcome::NotAsked => self.state = State::Open { until: now },
            },
            State::Open { .. } | State::Probing { .. } => {}
        }
    }

    /// Whether requests are refused at this time.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => false,
            State::Open { until } => now < until,
            State::Probing { .. } => true,
        }
    }

    fn pause(&mut self, now: Instant) {
        self.state = State::Open { until: now + self.next_pause };
        self.next_pause = (self.next_pause * 2).min(PAUSE.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(breaker: &mut Breaker, outcomes: &[Outcome], now: Instant) {
        for outcome in outcomes {
            let permit = breaker.admit(now).unwrap();
            breaker.record(permit, *outcome, now);
        }
    }

    #[test]
    fn three_faults_in_a_row_open_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        after(&mut breaker, &[Outcome::Fault, Outcome::Fault, Outcome::Answered, Outcome::Fault, Outcome::Fault], now);
        assert!(!breaker.is_open(now));
        after(&mut breaker, &[Outcome::NotAsked, Outcome::Fault], now);
        assert_eq!(breaker.admit(now + Duration::from_secs(4)), Err(Duration::from_secs(6)));
    }

    #[test]
    fn slow_answers_count_apart_from_faults() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        after(&mut breaker, &[Outcome::Fault, Outcome::Slow, Outcome::Fault, Outcome::Slow, Outcome::Slow], now);
        after(&mut breaker, &[Outcome::Slow], now);
        assert!(!breaker.is_open(now));
        after(&mut breaker, &[Outcome::Slow], now);
        assert!(breaker.is_open(now));
    }

    #[test]
    fn one_request_decides_and_pauses_double_up_to_five_minutes() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        after(&mut breaker, &[Outcome::Fault; 3], now);
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert!(breaker.admit(now + Duration::from_secs(seconds - 1)).is_err(), "{seconds}");
            now += Duration::from_secs(seconds);
            let probe = breaker.admit(now).unwrap();
            assert_eq!(breaker.admit(now), Err(PAUSE.0));
            breaker.record(probe, Outcome::Slow, now);
        }
        now += Duration::from_secs(300);
        let probe = breaker.admit(now).unwrap();
        breaker.record(Permit { is_probe: false }, Outcome::Answered, now); // a request from before
        assert!(breaker.is_open(now));
        breaker.record(probe, Outcome::Answered, now);
        after(&mut breaker, &[Outcome::Fault, Outcome::Fault], now);
        assert!(!breaker.is_open(now));
    }

    #[test]
    fn a_probe_that_was_not_sent_leaves_the_place_to_another() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        after(&mut breaker, &[Outcome::Fault; 3], now);
        now += PAUSE.0;
        after(&mut breaker, &[Outcome::NotAsked, Outcome::Answered], now);
        assert!(!breaker.is_open(now));
    }

    #[test]
    fn a_probe_without_an_end_does_not_keep_it_open() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        after(&mut breaker, &[Outcome::Fault; 3], now);
        now += PAUSE.0;
        let stuck = breaker.admit(now).unwrap();
        now += PAUSE.0;
        after(&mut breaker, &[Outcome::Answered], now);
        breaker.record(stuck, Outcome::Fault, now);
        assert!(!breaker.is_open(now));
    }
}

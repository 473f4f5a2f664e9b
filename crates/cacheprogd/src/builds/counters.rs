//! A build's counters while it lives: proto's [`Counts`] as atomics.
//!
//! What counts as what, session/handler/ decides.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proto::control::Counts;

/// The counters of one build.
#[derive(Debug)]
pub(crate) struct Counters([AtomicU64; Counts::NUMBER]);

impl Counters {
    /// Their values now.
    pub(crate) fn counts(&self) -> Counts {
        Counts::of(self.0.each_ref().map(|counter| counter.load(Relaxed)))
    }

    /// Adds what one request did.
    pub(crate) fn add(&self, counts: &Counts) {
        for (counter, more) in self.0.iter().zip(counts.values()).filter(|(_, more)| *more != 0) {
            counter.fetch_add(more, Relaxed); // wraps: a build may claim any number of itself
        }
    }

    /// Takes back what was added for a request that had another outcome afterwards.
    pub(crate) fn subtract(&self, counts: &Counts) {
        for (counter, less) in self.0.iter().zip(counts.values()).filter(|(_, less)| *less != 0) {
            counter.fetch_sub(less, Relaxed);
        }
    }
}

impl From<Counts> for Counters {
    fn from(counts: Counts) -> Self {
        Self(counts.values().map(AtomicU64::new))
    }
}

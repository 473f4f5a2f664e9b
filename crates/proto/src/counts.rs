//! What a build has counted: gets, hits, puts and what they saved. The same counters travel in the summary's frame, in the status
//! and in the files that the daemon keeps.

use serde::{Deserialize, Serialize};

/// Counters of a build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Compiled packages that the build was served or put: each action once. A package that is compiled in several forms (with
    /// and without its tests, say) is as many.
    pub packages_needed: u64,
    /// Of these, those that the build compiled: it put them, and was not served them before.
    pub packages_compiled: u64,
    /// Gets asked.
    pub gets: u64,
    /// Gets answered with an output; with one under a condition, if the client found the condition to hold and said so.
    pub hits: u64,
    /// Gets answered with outputs under conditions that the client found not to hold: they count as misses.
    pub rejected: u64,
    /// Of the hits, those on what the build was served or had put before: its own `GOCACHE` would have had it.
    pub repeated_gets: u64,
    /// Gets that missed what no build shares: what was put for them is private, by rule or as no condition is known.
    pub private_gets: u64,
    /// Puts received whole.
    pub puts: u64,
    /// Puts kept for this build alone: module indexes, and what no condition is known of. One that is shared afterwards counts no
    /// more.
    pub private_puts: u64,
    /// Puts whose action has another output already.
    pub conflicts: u64,
    /// Puts refused or broken off.
    pub failed_puts: u64,
    /// Bytes of the outputs put.
    pub bytes_put: u64,
    /// Bytes of the outputs served, each output once a build.
    pub bytes_served: u64,
    /// Requests that clients answered by themselves, as the daemon could not be asked or did not answer in time.
    pub unanswered: u64,
    /// Puts that clients kept in the build's spool until the daemon was back.
    pub spooled: u64,
    /// Compile time not spent: over the hits that are no repetition, the milliseconds between the miss and the put that made the
    /// entry. Compilers run side by side: this is not wall time.
    pub saved_milliseconds: u64,
}

impl Counts {
    /// How many counters there are.
    pub const NUMBER: usize = 16;

    /// Adds what others counted.
    pub fn add(&mut self, other: &Self) {
        self.each(other, u64::saturating_add);
    }

    /// What was counted since it was `before`.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        self.each(before, u64::saturating_sub);
        self
    }

    /// Gets that a cache for all can help with: the first of each action, if its entry is not private by rule.
    #[must_use]
    pub fn shareable_gets(&self) -> u64 {
        self.gets.saturating_sub(self.repeated_gets).saturating_sub(self.private_gets).max(self.shareable_hits())
    }

    /// Of these, those that were answered with an output.
    #[must_use]
    pub fn shareable_hits(&self) -> u64 {
        self.hits.saturating_sub(self.repeated_gets)
    }

    /// The counters in their order, which is that of the summary's frame.
    #[must_use]
    pub fn values(mut self) -> [u64; Self::NUMBER] {
        self.fields().map(|field| *field)
    }

    /// Counters with these values.
    #[must_use]
    pub fn of(values: [u64; Self::NUMBER]) -> Self {
        let mut counts = Self::default();
        for (field, value) in counts.fields().into_iter().zip(values) {
            *field = value;
        }
        counts
    }

    fn each(&mut self, other: &Self, with: fn(u64, u64) -> u64) {
        for (mine, others) in self.fields().into_iter().zip(other.values()) {
            *mine = with(*mine, others);
        }
    }

    fn fields(&mut self) -> [&mut u64; Self::NUMBER] {
        [
            &mut self.packages_needed,
            &mut self.packages_compiled,
            &mut self.gets,
            &mut self.hits,
            &mut self.rejected,
            &mut self.repeated_gets,
            &mut self.private_gets,
            &mut self.puts,
            &mut self.private_puts,
            &mut self.conflicts,
            &mut self.failed_puts,
            &mut self.bytes_put,
            &mut self.bytes_served,
            &mut self.unanswered,
            &mut self.spooled,
            &mut self.saved_milliseconds,
        ]
    }
}

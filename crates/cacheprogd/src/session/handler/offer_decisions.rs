//! What the client decided: whether the condition of an offer holds, and what it used without asking.
//!
//! Nothing counts as a hit before the client has reported it.

use proto::ActionId;
use proto::control::Counts;

use super::lookup::Lookup;
use super::offers::{Offer, Served};
use super::session_handler::Handler;
use crate::clock;
use crate::mutex::lock;
use crate::telemetry::trace::event::GetOutcome;

impl Handler {
    /// The client uses a candidate of the offer that answered the get with this id, or none.
    pub(crate) fn decided(&self, id: u32, candidate: Option<u8>) {
        let Some(Offer { action, is_hit, candidates }) = lock(&self.offers).close(id) else { return };
        let now = clock::now();
        match (candidate.and_then(|n| candidates.get(usize::from(n))), candidates.first()) {
            (Some(served), _) if is_hit => self.count_hit(&action, *served, GetOutcome::Hit(served.output.id), now),
            (Some(served), _) => self.count_hit(&action, *served, GetOutcome::HitIf(served.output.id), now),
            (None, first) => {
                self.build.counters.add(&Counts { rejected: 1, ..Counts::default() });
                // A hit has no condition that could have failed.
                let offered = first.filter(|_| !is_hit);
                let outcome = offered.map_or(GetOutcome::Miss, |served| GetOutcome::Rejected(served.output.id));
                self.count_miss(&action, outcome, now);
            }
        }
    }

    /// The session is over: offers that the client has not decided count as misses.
    pub(crate) fn finish(&self) {
        let now = clock::now();
        let undecided: Vec<_> = lock(&self.offers).drain().map(|offer| offer.action).collect();
        undecided.iter().for_each(|action| self.count_miss(action, GetOutcome::Miss, now));
    }

    /// The client used these without asking. They count as gets and hits if they are known, have no condition and need not be
    /// verified first; the others do not count.
    pub(crate) fn used(&self, actions: &[ActionId]) {
        let now = clock::now();
        for action in actions {
            if let Lookup::Hit(record) = self.find(action, now, 0) {
                self.build.counters.add(&Counts { gets: 1, ..Counts::default() });
                self.count_hit(action, Served::from(&record), GetOutcome::Hit(record.output.id), now);
            }
        }
    }
}

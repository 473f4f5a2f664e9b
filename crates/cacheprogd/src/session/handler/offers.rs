//! Outputs that a session was offered under a condition. Whether the condition holds is the client's to find out, so that nothing
//! counts before it has said so.

use std::collections::HashMap;

use proto::control::Counts;
use proto::{ActionId, Output, limits};
use store::Record;

use crate::clock;
use crate::sync::lock;
use crate::trace::Came;

use super::Handler;
use super::find::Known;

/// What answered one get.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) action: ActionId,
    /// There is no condition: a hit, of which the client says whether it admits it.
    pub(super) is_hit: bool,
    /// In the order in which they were offered.
    pub(super) candidates: Vec<Given>,
}

/// What counts of a record that a build was served. Records are longer, and a session may have thousands in open offers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    pub(super) output: Output,
    pub(super) cost_ms: u64,
    pub(super) is_package: bool,
}

impl From<&Record> for Given {
    fn from(&Record { output, cost_ms, kind, .. }: &Record) -> Self {
        Self { output, cost_ms, is_package: kind.is_package() }
    }
}

/// The open offers of a session, by the id of their get: at most [`limits::OFFERS`].
#[derive(Debug, Default)]
pub(super) struct Offers(HashMap<u32, Offer>);

impl Offers {
    /// Remembers an offer that is about to be made. False where there are too many open ones, or one with this id: it is not to
    /// be made.
    pub(super) fn open(&mut self, id: u32, offer: Offer) -> bool {
        let may = self.0.len() < limits::OFFERS && !self.0.contains_key(&id);
        if may {
            self.0.insert(id, offer);
        }
        may
    }

    /// The client has decided.
    pub(super) fn close(&mut self, id: u32) -> Option<Offer> {
        self.0.remove(&id)
    }

    /// Those of which the client said nothing.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = Offer> + '_ {
        self.0.drain().map(|(_, offer)| offer)
    }
}

impl Handler {
    /// The client uses a candidate of what answered the get with this id, or none.
    pub(crate) fn decided(&self, id: u32, candidate: Option<u8>) {
        let Some(Offer { action, is_hit, candidates }) = lock(&self.offers).close(id) else { return };
        let now = clock::now();
        match (candidate.and_then(|n| candidates.get(usize::from(n))), candidates.first()) {
            (Some(given), _) if is_hit => self.served(&action, *given, Came::Hit(given.output.id), now),
            (Some(given), _) => self.served(&action, *given, Came::HitIf(given.output.id), now),
            (None, first) => {
                self.build.counters.add(&Counts { rejected: 1, ..Counts::default() });
                // No condition failed that could be told of.
                let came = first.filter(|_| !is_hit).map_or(Came::Miss, |given| Came::Rejected(given.output.id));
                self.missed(&action, came, now);
            }
        }
    }

    /// The session is over: what the client said nothing of it did not use.
    pub(crate) fn leave(&self) {
        let now = clock::now();
        let undecided: Vec<_> = lock(&self.offers).rest().map(|offer| offer.action).collect();
        undecided.iter().for_each(|action| self.missed(action, Came::Miss, now));
    }

    /// The client used these without asking: they count as gets and hits, if they are known, hold without a condition and need not be
    /// read first. Any other counts as nothing.
    pub(crate) fn used(&self, actions: &[ActionId]) {
        let now = clock::now();
        for action in actions {
            if let Known::Hit(record) = self.find(action, now, 0) {
                self.build.counters.add(&Counts { gets: 1, ..Counts::default() });
                self.served(action, Given::from(&record), Came::Hit(record.output.id), now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_what_is_offered_and_an_id_has_one_offer() {
        let offer = || Offer { action: ActionId([1; 32]), is_hit: false, candidates: Vec::new() };
        let mut offers = Offers::default();
        assert!(offers.open(7, offer()));
        assert!(!offers.open(7, offer()));
        let opened = (100..).take(2 * limits::OFFERS).filter(|id| offers.open(*id, offer())).count();
        assert_eq!(opened, limits::OFFERS - 1);
        assert!(offers.close(7).is_some() && offers.close(7).is_none());
        assert!(offers.open(7, offer()));
        assert_eq!(offers.rest().count(), limits::OFFERS);
    }

    #[test]
    fn all_offers_of_a_session_take_a_part_of_the_memory_that_it_may_take() {
        let one = size_of::<Offer>() + limits::CONDITIONS * size_of::<Given>();
        assert!(limits::OFFERS * one <= 256 << 10, "a MiB for all of a session");
    }
}

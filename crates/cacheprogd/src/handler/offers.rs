//! Outputs that a session was offered under a condition. Whether the condition holds is the client's to find out, so that nothing
//! counts before it has said so.

use std::collections::HashMap;

use proto::control::Counts;
use proto::{ActionId, limits};
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
    /// In the order in which they were offered.
    pub(super) records: Vec<Record>,
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
        let Some(Offer { action, records }) = lock(&self.offers).close(id) else { return };
        let now = clock::now();
        match (candidate.and_then(|n| records.get(usize::from(n))), records.first()) {
            (Some(record), _) => self.served(&action, record, Came::HitIf(record.output), now),
            (None, first) => {
                self.build.counters.add(&Counts { rejected: 1, ..Counts::default() });
                let came = first.map_or(Came::Miss, |record| Came::Rejected(record.output));
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

    /// The client used these without asking: they count as served, if they are known and hold without a condition.
    pub(crate) fn used(&self, actions: &[ActionId]) {
        let now = clock::now();
        for action in actions {
            if let Known::Hit(record) = self.find(action, now, 0) {
                self.build.counters.add(&Counts { gets: 1, ..Counts::default() });
                self.served(action, &record, Came::Hit(record.output), now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_what_is_offered_and_an_id_has_one_offer() {
        let offer = || Offer { action: ActionId([1; 32]), records: Vec::new() };
        let mut offers = Offers::default();
        assert!(offers.open(7, offer()));
        assert!(!offers.open(7, offer()));
        let opened = (100..).take(2 * limits::OFFERS).filter(|id| offers.open(*id, offer())).count();
        assert_eq!(opened, limits::OFFERS - 1);
        assert!(offers.close(7).is_some() && offers.close(7).is_none());
        assert!(offers.open(7, offer()));
        assert_eq!(offers.rest().count(), limits::OFFERS);
    }
}

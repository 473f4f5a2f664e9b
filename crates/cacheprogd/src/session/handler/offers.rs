//! The open offers of a session: outputs that it was offered and has not decided about.
//!
//! Pure; decisions are counted in `offer_decisions.rs`.

use std::collections::HashMap;
use std::time::SystemTime;

use proto::blinded_table::Answer;
use proto::{ActionId, Condition, Output, limits};
use store::{Kind, Record};

/// What one get was answered with.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) action: ActionId,
    pub(super) candidates: Candidates,
}

/// The outputs that were offered.
#[derive(Debug)]
pub(super) enum Candidates {
    /// A test's result, with its list.
    Listed(Served),
    /// Outputs under conditions, in the order in which they were offered.
    Conditional(Vec<Offered>),
}

/// An output under a condition: what is noted of it when the client takes it.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) output: Output,
    pub(super) kind: Kind,
    pub(super) time: SystemTime,
    pub(super) cost_ms: u64,
    pub(super) condition: Box<Condition>,
    /// For the facts of vet: the text that vet printed with them.
    pub(super) vet_output: Option<Box<Output>>,
}

impl Offered {
    /// A record under a condition, and the text that vet printed with it.
    pub(super) fn new(record: &Record, condition: Condition, vet_output: Option<Output>) -> Self {
        let Record { output, kind, time, cost_ms, .. } = *record;
        Self { output, kind, time, cost_ms, condition: Box::new(condition), vet_output: vet_output.map(Box::new) }
    }
}

/// What is counted of an output that a build was served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    pub(super) output: Output,
    pub(super) cost_ms: u64,
    pub(super) is_package: bool,
}

impl From<&Record> for Served {
    fn from(&Record { output, cost_ms, kind, .. }: &Record) -> Self {
        Self { output, cost_ms, is_package: kind.is_package() }
    }
}

impl From<&Answer> for Served {
    fn from(&Answer { output, cost_ms, is_package, .. }: &Answer) -> Self {
        Self { output, cost_ms: cost_ms.into(), is_package }
    }
}

impl From<&Offered> for Served {
    fn from(&Offered { output, cost_ms, kind, .. }: &Offered) -> Self {
        Self { output, cost_ms, is_package: kind.is_package() }
    }
}

/// The open offers of a session, by the id of their get: at most [`limits::OFFERS`].
#[derive(Debug, Default)]
pub(super) struct Offers(HashMap<u32, Offer>);

impl Offers {
    /// Adds an offer that is about to be made. False where there are too many open ones, or one with this id: then it must not be
    /// made.
    pub(super) fn open(&mut self, id: u32, offer: Offer) -> bool {
        let may_open = self.0.len() < limits::OFFERS && !self.0.contains_key(&id);
        if may_open {
            self.0.insert(id, offer);
        }
        may_open
    }

    /// The client has decided.
    pub(super) fn close(&mut self, id: u32) -> Option<Offer> {
        self.0.remove(&id)
    }

    /// Takes out those that the client has not decided.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Offer> + '_ {
        self.0.drain().map(|(_, offer)| offer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_open_offers_is_bounded_and_an_id_has_one_offer() {
        let offer = || Offer { action: ActionId([1; 32]), candidates: Candidates::Conditional(Vec::new()) };
        let mut offers = Offers::default();
        assert!(offers.open(7, offer()));
        assert!(!offers.open(7, offer()));
        let opened = (100..).take(2 * limits::OFFERS).filter(|id| offers.open(*id, offer())).count();
        assert_eq!(opened, limits::OFFERS - 1);
        assert!(offers.close(7).is_some() && offers.close(7).is_none());
        assert!(offers.open(7, offer()));
        assert_eq!(offers.drain().count(), limits::OFFERS);
    }

    #[test]
    fn all_offers_of_a_session_take_a_part_of_the_memory_that_it_may_take() {
        // A scope is some thirty bytes: of a module.
        let offered = size_of::<Offered>() + size_of::<Condition>() + size_of::<Output>() + 32;
        let one = size_of::<Offer>() + limits::CONDITIONS * offered;
        assert!(limits::OFFERS * one <= 512 << 10, "a session may take a MiB for everything");
    }
}

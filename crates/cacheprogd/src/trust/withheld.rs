//! The hits that were withheld from one build and that it has not put yet, whichever of its sessions asked. Pure.

use proto::{ActionId, OutputId};
use store::BoundedMap;

/// A hit that may be withheld.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit<'a> {
    pub(crate) action: &'a ActionId,
    /// The output that it has without a condition. `None`: all of them have one.
    pub(crate) plain: Option<OutputId>,
}

/// One that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Withheld {
    /// As [`Hit::plain`].
    pub(crate) plain: Option<OutputId>,
    /// What it counts for in the budget.
    pub(crate) spent_us: u64,
}

/// See the file's header.
#[derive(Debug, Default)]
pub(crate) struct WithheldHits {
    hits: BoundedMap<Withheld>,
    /// What this build has spent of the budget.
    spent_us: u64,
}

impl WithheldHits {
    pub(super) fn spent_us(&self) -> u64 {
        self.spent_us
    }

    pub(super) fn has(&self, action: &ActionId) -> bool {
        self.hits.get(action).is_some()
    }

    /// What a hit on this action was, if it was withheld.
    pub(crate) fn get(&self, action: &ActionId) -> Option<Withheld> {
        self.hits.get(action).copied()
    }

    pub(super) fn insert(&mut self, Hit { action, plain }: Hit<'_>, spent_us: u64) {
        self.spent_us = self.spent_us.saturating_add(spent_us);
        self.hits.insert(*action, Withheld { plain, spent_us });
    }

    pub(super) fn remove(&mut self, action: &ActionId) -> Option<Withheld> {
        self.hits.remove(action)
    }

    /// What counted for so much took another time.
    pub(super) fn settle(&mut self, spent_us: u64, real_us: u64) {
        self.spent_us = self.spent_us.saturating_sub(spent_us).saturating_add(real_us);
    }
}

//! The hits that were withheld from one build and that it has not put yet, whichever of its sessions asked. Pure.

use proto::{ActionId, OutputId};
use store::{BoundedMap, Namespace};

/// A hit that may be withheld.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit<'a> {
    pub(crate) action: &'a ActionId,
    /// The output that it has without a condition. `None`: all of them have one.
    pub(crate) plain: Option<OutputId>,
    pub(crate) by: GoCommand<'a>,
}

/// Of a go command, what others have in common with it whose outputs are to be the same as its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoCommand<'a> {
    pub(crate) namespace: Option<&'a Namespace>,
    pub(crate) only_conditional: bool,
}

/// One that was.
#[derive(Debug)]
pub(crate) struct Withheld {
    /// As [`Hit::plain`].
    pub(crate) plain: Option<OutputId>,
    /// What it counts for in the budget.
    pub(super) spent_us: u64,
    namespace: Option<Namespace>,
    only_conditional: bool,
}

impl Withheld {
    fn is_for(&self, by: GoCommand<'_>) -> bool {
        self.namespace.as_ref() == by.namespace && self.only_conditional == by.only_conditional
    }
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

    /// What was withheld of this action from a go command as this one.
    pub(crate) fn get(&self, action: &ActionId, by: GoCommand<'_>) -> Option<&Withheld> {
        self.hits.get(action).filter(|withheld| withheld.is_for(by))
    }

    pub(super) fn insert(&mut self, Hit { action, plain, by }: Hit<'_>, spent_us: u64) {
        self.spent_us = self.spent_us.saturating_add(spent_us);
        let (namespace, only_conditional) = (by.namespace.cloned(), by.only_conditional);
        self.hits.insert(*action, Withheld { plain, spent_us, namespace, only_conditional });
    }

    pub(super) fn remove(&mut self, action: &ActionId, by: GoCommand<'_>) -> Option<Withheld> {
        self.get(action, by)?;
        self.hits.remove(action)
    }

    /// What counted for so much took another time.
    pub(super) fn correct(&mut self, spent_us: u64, real_us: u64) {
        self.spent_us = self.spent_us.saturating_sub(spent_us).saturating_add(real_us);
    }
}

//! What comes from the remote store where a build asks for it, and not ahead: for names whose builds used little of what was fetched. What each of
//! them asks for is bounded, and is fetched by a few threads, which end when there is nothing to do.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Instant;

use proto::ActionId;
use remote_sync::pull::Progress;

use crate::limits::{ON_DEMAND_ACTIONS, ON_DEMAND_BYTES, ON_DEMAND_THREADS, PREFETCH_TIME};
use crate::mutex::lock;

/// Fetches what is named of an action, and returns how many bytes came; `None`: nothing more is to be fetched, as the next one would fail too.
pub(super) type Fetch = dyn Fn(&ActionId, &dyn Progress) -> Option<u64> + Send + Sync;

/// See the file's header.
pub(super) struct OnDemand {
    began: Instant,
    /// Held for one action.
    asked: Mutex<Asked>,
    /// Set when it is known what there is.
    fetch: OnceLock<Box<Fetch>>,
    /// Each that is alive holds one more of them.
    _alive: Arc<()>,
}

#[derive(Debug, Default)]
struct Asked {
    actions: HashSet<ActionId>,
    /// Those that no thread fetches yet.
    queue: VecDeque<ActionId>,
    threads: usize,
    bytes: u64,
}

impl Asked {
    fn has_room(&self) -> bool {
        self.actions.len() < ON_DEMAND_ACTIONS && self.bytes < ON_DEMAND_BYTES
    }
}

/// What becomes of an action that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// It is not fetched: the build asked for enough.
    Refused,
    /// It is on its way.
    OnItsWay,
    /// It is, when the caller has started a thread that [works](OnDemand::work).
    NeedsThread,
}

impl OnDemand {
    /// `alive` counts those that there are.
    pub(super) fn new(alive: &Arc<()>) -> Self {
        Self { began: Instant::now(), asked: Mutex::default(), fetch: OnceLock::new(), _alive: alive.clone() }
    }

    /// It is known what there is, and this fetches it.
    pub(super) fn set(&self, fetch: Box<Fetch>) {
        drop(self.fetch.set(fetch)); // it is set once
    }

    pub(super) fn is_set(&self) -> bool {
        self.fetch.get().is_some()
    }

    /// Whether so much may have been put since that the next build asks again what there is.
    pub(super) fn is_old(&self) -> bool {
        self.began.elapsed() >= PREFETCH_TIME
    }

    /// Whether this would come.
    pub(super) fn admits(&self, action: &ActionId) -> bool {
        let asked = lock(&self.asked);
        asked.has_room() || (asked.bytes < ON_DEMAND_BYTES && asked.actions.contains(action))
    }

    /// Puts it on its way, if it is not already.
    pub(super) fn ask(&self, action: &ActionId) -> Asking {
        let mut asked = lock(&self.asked);
        if asked.actions.contains(action) {
            return Asking::OnItsWay;
        }
        if !asked.has_room() {
            return Asking::Refused;
        }
        asked.actions.insert(*action);
        asked.queue.push_back(*action);
        if asked.threads >= ON_DEMAND_THREADS {
            return Asking::OnItsWay;
        }
        asked.threads += 1;
        Asking::NeedsThread
    }

    /// The thread could not be started, or ended in mid-work. Another one finds what is in the queue.
    pub(super) fn without_thread(&self) {
        lock(&self.asked).threads -= 1;
    }

    /// Fetches what is in the queue, until it is empty.
    pub(super) fn work(&self, progress: &dyn Progress) {
        let _place = Place(self);
        while let Some((action, fetch)) = self.next().zip(self.fetch.get()) {
            let came = fetch(&action, progress);
            let mut asked = lock(&self.asked);
            asked.bytes = came.map_or(u64::MAX, |bytes| asked.bytes.saturating_add(bytes));
        }
    }

    /// The next action; after the last one the thread ends.
    fn next(&self) -> Option<ActionId> {
        let mut asked = lock(&self.asked);
        let next = asked.queue.pop_front().filter(|_| asked.bytes < ON_DEMAND_BYTES);
        if next.is_none() {
            asked.queue.clear();
            asked.threads -= 1;
        }
        next
    }
}

/// The place of a thread that works: one that panics gives it back too.
struct Place<'a>(&'a OnDemand);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.without_thread();
        }
    }
}

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemand").field("asked", &self.asked).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(n: usize) -> ActionId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_le_bytes());
        ActionId(id)
    }

    /// Each action brings so many bytes; those that were fetched.
    fn fetching(each: Option<u64>) -> (OnDemand, Arc<Mutex<Vec<ActionId>>>) {
        let (on_demand, fetched) = (OnDemand::new(&Arc::default()), Arc::<Mutex<Vec<ActionId>>>::default());
        let log = fetched.clone();
        on_demand.set(Box::new(move |action, _| {
            lock(&log).push(*action);
            each
        }));
        (on_demand, fetched)
    }

    #[test]
    fn each_action_is_fetched_once_by_a_few_threads() {
        let (on_demand, fetched) = fetching(Some(1));
        let first: Vec<_> = (0..ON_DEMAND_THREADS + 2).map(|n| on_demand.ask(&action(n))).collect();
        assert!(first[..ON_DEMAND_THREADS].iter().all(|asking| *asking == Asking::NeedsThread));
        assert_eq!(first[ON_DEMAND_THREADS..], [Asking::OnItsWay; 2]);
        assert_eq!(on_demand.ask(&action(0)), Asking::OnItsWay);
        (0..ON_DEMAND_THREADS).for_each(|_| on_demand.work(&()));
        assert_eq!(*lock(&fetched), (0..ON_DEMAND_THREADS + 2).map(action).collect::<Vec<_>>());
        assert_eq!(on_demand.ask(&action(0)), Asking::OnItsWay, "it was asked for before");
        assert_eq!(on_demand.ask(&action(100)), Asking::NeedsThread, "the others ended");
    }

    #[test]
    fn a_thread_that_panics_leaves_its_place_to_another() {
        let on_demand = OnDemand::new(&Arc::default());
        on_demand.set(Box::new(|_, _| panic!("a fault in fetching")));
        for n in 0..ON_DEMAND_THREADS + 1 {
            assert_eq!(on_demand.ask(&action(n)), Asking::NeedsThread, "{n}");
            assert!(thread::scope(|scope| scope.spawn(|| on_demand.work(&())).join()).is_err());
        }
    }

    #[test]
    fn what_a_build_asks_for_is_bounded_by_number_and_bytes() {
        let (on_demand, _) = fetching(Some(0));
        (0..ON_DEMAND_ACTIONS).for_each(|n| assert_ne!(on_demand.ask(&action(n)), Asking::Refused));
        assert_eq!(on_demand.ask(&action(ON_DEMAND_ACTIONS)), Asking::Refused);
        assert!(on_demand.admits(&action(0)) && !on_demand.admits(&action(ON_DEMAND_ACTIONS)));
        for each in [Some(ON_DEMAND_BYTES), None] {
            let (on_demand, fetched) = fetching(each);
            assert_eq!(on_demand.ask(&action(0)), Asking::NeedsThread);
            on_demand.ask(&action(1));
            on_demand.work(&());
            assert_eq!(lock(&fetched).len(), 1, "{each:?}");
            assert_eq!(on_demand.ask(&action(2)), Asking::Refused);
            assert!(!on_demand.admits(&action(1)), "it does not come any more");
        }
    }
}

//! What is awaited from the remote store: a get for what is on its way waits a little, as long as something comes; what no index names is a miss
//! at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::ActionId;
use remote::index::Entry;

use crate::limits::{REMOTE_LATE, REMOTE_WAIT};
use crate::mutex::lock;

/// See the file's header.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// Held for one look or change.
    state: Mutex<State>,
    changed: Condvar,
    /// Waits in a row that were in vain.
    late: AtomicU32,
}

#[derive(Debug, Default)]
enum State {
    /// It is not known yet what there is.
    #[default]
    Asking,
    /// What is named and has not come.
    Coming(Named),
    Over,
}

/// What is to come, by action.
#[derive(Debug, Default)]
pub(super) struct Named(HashMap<ActionId, Coming>);

/// What is to come for an action.
#[derive(Debug, Default)]
struct Coming {
    entries: usize,
    /// What compiling it cost its writer.
    cost: Duration,
}

impl Named {
    pub(super) fn new(entries: &mut dyn Iterator<Item = &Entry>) -> Self {
        let mut named = Self::default();
        for entry in entries {
            let coming = named.0.entry(entry.action).or_default();
            coming.entries += 1;
            coming.cost = coming.cost.max(Duration::from_millis(entry.cost_ms.into()));
        }
        named
    }

    pub(super) fn actions(&self) -> impl Iterator<Item = &ActionId> {
        self.0.keys()
    }
}

impl State {
    /// What compiling it cost, where it may come.
    fn cost(&self, action: &ActionId) -> Option<Duration> {
        let Self::Coming(all) = self else { return None };
        all.0.get(action).map(|coming| coming.cost)
    }
}

impl Awaited {
    /// It is known what there is.
    pub(super) fn begin(&self, named: Named) {
        *lock(&self.state) = State::Coming(named);
        self.late.store(0, Relaxed); // who waited until now, waited for the index
        self.changed.notify_all();
    }

    /// An entry of this action is here, if it `came`, or will not be.
    pub(super) fn done(&self, action: &ActionId, came: bool) {
        if let State::Coming(all) = &mut *lock(&self.state)
            && let Some(coming) = all.0.get_mut(action)
        {
            coming.entries -= 1;
            if coming.entries == 0 {
                all.0.remove(action);
            }
        }
        if came {
            self.late.store(0, Relaxed);
        }
        self.changed.notify_all();
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        *lock(&self.state) = State::Over;
        self.changed.notify_all();
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*lock(&self.state), State::Over)
    }

    /// Whether it is named and has not come.
    pub(super) fn is_named(&self, action: &ActionId) -> bool {
        lock(&self.state).cost(action).is_some()
    }

    /// Whether a get for this action is to wait.
    pub(super) fn is_awaited(&self, action: &ActionId) -> bool {
        let may_come = match &*lock(&self.state) {
            State::Asking => true,
            State::Coming(all) => all.0.contains_key(action),
            State::Over => false,
        };
        may_come && self.late.load(Relaxed) < REMOTE_LATE
    }

    /// Waits until it is here, or there is none of it; about as long as compiling costs, and no longer than the client waits for a get that
    /// `came` then. Where it may come, `asks_for` tells whether it does.
    pub(super) fn wait(&self, action: &ActionId, came: Instant, asks_for: impl FnOnce() -> bool) {
        let most = came + REMOTE_WAIT.1;
        if !self.wait_while(most, |state| matches!(state, State::Asking)) {
            return;
        }
        let cost = lock(&self.state).cost(action);
        if let Some(cost) = cost.filter(|_| asks_for()) {
            self.wait_while(most.min(came + cost.max(REMOTE_WAIT.0)), |state| state.cost(action).is_some());
        }
    }

    /// Waits while it is so, at most until then. Whether it is so no more.
    fn wait_while(&self, until: Instant, is_so: impl Fn(&State) -> bool) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(lock(&self.state), left, |state| is_so(state));
        let is_late = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        self.late.fetch_add(is_late.into(), Relaxed);
        !is_late
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proto::{Output, OutputId};

    use super::*;

    fn action(n: u8) -> ActionId {
        ActionId([n; 32])
    }

    fn entry(n: u8, cost_ms: u32) -> Entry {
        let output = Output { id: OutputId([n; 32]), size: 1 };
        Entry { action: action(n), output, condition: None, cost_ms, time: 0 }
    }

    #[test]
    fn a_get_waits_for_what_is_awaited_and_for_nothing_else() {
        let awaited = Awaited::default();
        let wait = |n, came| awaited.wait(&action(n), came, || true);
        assert!(awaited.is_awaited(&action(1)), "it is not known yet");
        awaited.begin(Named::new(&mut [entry(1, 60_000), entry(2, 0)].iter()));
        assert_eq!([1, 2, 3].map(|n| awaited.is_awaited(&action(n))), [true, true, false]);
        let now = Instant::now();
        wait(2, now);
        wait(3, now);
        awaited.done(&action(3), true);
        let long_ago = now.checked_sub(REMOTE_WAIT.1).unwrap();
        for _ in 0..REMOTE_LATE {
            assert!(awaited.is_awaited(&action(1)));
            wait(1, long_ago);
        }
        assert!(!awaited.is_awaited(&action(1)), "nothing comes");
        awaited.done(&action(2), true);
        assert!(awaited.is_awaited(&action(1)), "something came");
        let later = Instant::now() + Duration::from_secs(3600);
        awaited.wait(&action(1), later, || false);
        thread::scope(|scope| {
            let waits = scope.spawn(|| wait(1, later));
            awaited.done(&action(1), true);
            waits.join().unwrap();
        });
        awaited.end();
        assert!(!awaited.is_awaited(&action(1)));
        wait(1, later);
    }

    #[test]
    fn waits_for_the_index_do_not_count_against_what_it_names() {
        let awaited = Awaited::default();
        let past = Instant::now().checked_sub(REMOTE_WAIT.1).unwrap();
        (0..REMOTE_LATE).for_each(|_| awaited.wait(&action(1), past, || true));
        assert!(!awaited.is_awaited(&action(1)));
        awaited.begin(Named::new(&mut [entry(1, 60_000)].iter()));
        assert!(awaited.is_awaited(&action(1)));
    }
}

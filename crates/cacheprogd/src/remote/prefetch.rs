//! What is on its way from the remote store: a get for it waits a little; what no index names is a miss at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::ActionId;
use remote::index::Entry;
use remote::series::Series;
use remote_sync::pull::Progress;

use super::usefulness::{Fetched, Usefulness};
use crate::limits::{REMOTE_LATE, REMOTE_WAIT};
use crate::mutex::lock;

/// Whose builds share a prefetch: those of this series, which write what all users read or do not.
pub(super) type Shared = (Series, bool);

/// A prefetch.
#[derive(Debug, Default)]
pub(crate) struct Prefetch {
    /// Held for one look or change.
    state: Mutex<State>,
    /// Waits in a row that were in vain.
    late: AtomicU32,
    changed: Condvar,
    /// Held for one entry.
    fetched: Mutex<Fetched>,
    /// Who is told at the end how much of it was used; `None` for builds whose word does not count.
    reports_to: Option<(Arc<Usefulness>, Series)>,
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        if let Some((usefulness, series)) = &self.reports_to {
            usefulness.note(series, &lock(&self.fetched));
        }
    }
}

#[derive(Debug, Default)]
enum State {
    /// It is not known yet what there is.
    #[default]
    Asking,
    /// Of what comes, how many entries, and what compiling it cost its writer, in milliseconds.
    Fetching(HashMap<ActionId, (usize, u32)>),
    Over,
}

impl Prefetch {
    /// One for these builds.
    pub(super) fn of((series, is_of_all_users): &Shared, usefulness: &Arc<Usefulness>) -> Self {
        Self {
            state: Mutex::default(),
            late: AtomicU32::new(0),
            changed: Condvar::new(),
            fetched: Mutex::default(),
            reports_to: is_of_all_users.then(|| (usefulness.clone(), series.clone())),
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        *lock(&self.state) = State::Over;
        self.changed.notify_all();
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*lock(&self.state), State::Over)
    }

    /// A build asks for it now, when it is here as far as it came at all.
    pub(crate) fn note_used(&self, action: &ActionId) {
        lock(&self.fetched).note_used(action);
    }

    /// Whether a get for this action is to wait.
    pub(crate) fn is_awaited(&self, action: &ActionId) -> bool {
        if self.late.load(Relaxed) >= REMOTE_LATE {
            return false;
        }
        match &*lock(&self.state) {
            State::Asking => true,
            State::Fetching(entries) => entries.contains_key(action),
            State::Over => false,
        }
    }

    /// Waits until it is here, or there is none of it; about as long as compiling costs, and no longer than the client waits for a get that
    /// `came` then.
    pub(crate) fn wait(&self, action: &ActionId, came: Instant) {
        let mut until = came + REMOTE_WAIT.1;
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Over => return,
                State::Asking => {}
                State::Fetching(entries) => match entries.get(action) {
                    None => return,
                    Some(&(_, cost_ms)) => {
                        until = until.min(came + REMOTE_WAIT.0.max(Duration::from_millis(cost_ms.into())));
                    }
                },
            }
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                self.late.fetch_add(1, Relaxed);
                return;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Progress for Prefetch {
    fn wants(&self, entries: &mut dyn Iterator<Item = &Entry>) {
        let mut wanted = HashMap::new();
        for entry in entries {
            let (number, cost_ms) = wanted.entry(entry.action).or_insert((0, 0));
            *number += 1;
            *cost_ms = entry.cost_ms.max(*cost_ms);
        }
        *lock(&self.state) = State::Fetching(wanted);
        self.changed.notify_all();
    }

    fn done(&self, action: &ActionId, came: bool) {
        if let State::Fetching(entries) = &mut *lock(&self.state)
            && let Some((number, _)) = entries.get_mut(action)
        {
            *number -= 1;
            if *number == 0 {
                entries.remove(action);
            }
        }
        if came {
            lock(&self.fetched).note_fetched(action);
            self.late.store(0, Relaxed);
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{Output, OutputId};
    use std::thread;

    fn entry(n: u8, cost_ms: u32) -> Entry {
        let output = Output { id: OutputId([n; 32]), size: 1 };
        Entry { action: ActionId([n; 32]), output, condition: None, cost_ms, time: 0 }
    }

    #[test]
    fn a_get_waits_for_what_is_on_its_way_and_for_nothing_else() {
        let prefetch = Prefetch::default();
        let action = |n| ActionId([n; 32]);
        assert!(prefetch.is_awaited(&action(1)), "it is not known yet");
        prefetch.wants(&mut [entry(1, 60_000), entry(2, 0)].iter());
        assert_eq!([1, 2, 3].map(|n| prefetch.is_awaited(&action(n))), [true, true, false]);
        let now = Instant::now();
        prefetch.wait(&action(2), now);
        prefetch.wait(&action(3), now);
        prefetch.done(&action(3), true);
        let long_ago = now.checked_sub(REMOTE_WAIT.1).unwrap();
        for _ in 0..REMOTE_LATE {
            assert!(prefetch.is_awaited(&action(1)));
            prefetch.wait(&action(1), long_ago);
        }
        assert!(!prefetch.is_awaited(&action(1)), "nothing comes");
        prefetch.done(&action(2), true);
        assert!(prefetch.is_awaited(&action(1)), "something came");
        thread::scope(|scope| {
            let waits = scope.spawn(|| prefetch.wait(&action(1), Instant::now() + Duration::from_secs(3600)));
            prefetch.done(&action(1), true);
            waits.join().unwrap();
        });
        prefetch.end();
        assert!(!prefetch.is_awaited(&action(1)));
        prefetch.wait(&action(1), Instant::now() + Duration::from_secs(3600));
    }
}

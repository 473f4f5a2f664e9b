//! What is on its way from the remote store: a get for it waits a little; what no index names is a miss at once. On demand, a get for what an index
//! names puts it on its way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use proto::ActionId;
use remote::index::Entry;
use remote::series::Series;
use remote_sync::pull::Progress;

use super::on_demand::{Asking, Fetch, OnDemand};
use super::usefulness::{Fetched, Usefulness};
use crate::limits::{PREFETCH_STACK, REMOTE_LATE, REMOTE_WAIT};
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
    /// What is asked for; `None`: all is fetched ahead.
    on_demand: Option<OnDemand>,
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

impl State {
    /// What compiling it cost, where it may come.
    fn cost(&self, action: &ActionId) -> Option<Duration> {
        let Self::Fetching(entries) = self else { return None };
        entries.get(action).map(|(_, cost_ms)| Duration::from_millis((*cost_ms).into()))
    }
}

impl Prefetch {
    /// One for these builds.
    pub(super) fn of(
        (series, is_of_all_users): &Shared,
        usefulness: &Arc<Usefulness>,
        on_demand: Option<OnDemand>,
    ) -> Self {
        Self {
            state: Mutex::default(),
            late: AtomicU32::new(0),
            changed: Condvar::new(),
            fetched: Mutex::default(),
            reports_to: is_of_all_users.then(|| (usefulness.clone(), series.clone())),
            on_demand,
        }
    }

    /// Nothing more comes, unless it is asked for.
    pub(super) fn end(&self) {
        if self.on_demand.as_ref().is_some_and(OnDemand::is_set) {
            return;
        }
        *lock(&self.state) = State::Over;
        self.changed.notify_all();
    }

    /// Whether a build that begins now asks again what there is.
    pub(super) fn is_over(&self) -> bool {
        self.on_demand.as_ref().is_some_and(OnDemand::is_old) || matches!(*lock(&self.state), State::Over)
    }

    pub(super) fn is_on_demand(&self) -> bool {
        self.on_demand.is_some()
    }

    /// On demand: this fetches it. It is known what there is, and the next thing is that [`Progress::wants`] is told.
    pub(super) fn set_fetch(&self, fetch: Box<Fetch>) {
        if let Some(on_demand) = &self.on_demand {
            on_demand.set(fetch);
        }
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
            State::Fetching(entries) => {
                entries.contains_key(action) && self.on_demand.as_ref().is_none_or(|all| all.admits(action))
            }
            State::Over => false,
        }
    }

    /// Puts it on its way, where it is fetched on demand. Whether it is, or may be when it is known what there is.
    pub(crate) fn ask_for(self: &Arc<Self>, action: &ActionId) -> bool {
        let Some(on_demand) = &self.on_demand else { return true };
        if lock(&self.state).cost(action).is_none() {
            return true; // `wait` finds out, or it came meanwhile
        }
        match on_demand.ask(action) {
            Asking::Refused => false,
            Asking::OnItsWay => true,
            Asking::NeedsThread => {
                let fetching = self.clone();
                let work = move || fetching.on_demand.iter().for_each(|all| all.work(&*fetching));
                let builder = thread::Builder::new().name("on demand".to_owned()).stack_size(PREFETCH_STACK);
                let started = builder.spawn(work).inspect_err(|e| log::debug!("nothing is fetched: {e}")).is_ok();
                if !started {
                    on_demand.without_thread();
                }
                started
            }
        }
    }

    /// Waits until it is here, or there is none of it; about as long as compiling costs, and no longer than the client waits for a get that
    /// `came` then.
    pub(crate) fn wait(self: &Arc<Self>, action: &ActionId, came: Instant) {
        let most = came + REMOTE_WAIT.1;
        if !self.wait_while(most, |state| matches!(state, State::Asking)) {
            return;
        }
        let cost = lock(&self.state).cost(action);
        if let Some(cost) = cost.filter(|_| self.ask_for(action)) {
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

impl Progress for Prefetch {
    fn wants(&self, entries: &mut dyn Iterator<Item = &Entry>) {
        let mut wanted = HashMap::new();
        for entry in entries {
            let (number, cost_ms) = wanted.entry(entry.action).or_insert((0, 0));
            *number += 1;
            *cost_ms = entry.cost_ms.max(*cost_ms);
        }
        if self.on_demand.is_some() {
            let mut fetched = lock(&self.fetched);
            wanted.keys().for_each(|action| fetched.note_fetched(action));
        }
        *lock(&self.state) = State::Fetching(wanted);
        self.late.store(0, Relaxed); // who waited until now, waited for the index
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
            if self.on_demand.is_none() {
                lock(&self.fetched).note_fetched(action);
            }
            self.late.store(0, Relaxed);
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{Output, OutputId};

    fn entry(n: u8, cost_ms: u32) -> Entry {
        let output = Output { id: OutputId([n; 32]), size: 1 };
        Entry { action: ActionId([n; 32]), output, condition: None, cost_ms, time: 0 }
    }

    #[test]
    fn a_get_waits_for_what_is_on_its_way_and_for_nothing_else() {
        let prefetch = Arc::new(Prefetch::default());
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

    /// A prefetch on demand of so many entries that fetches at once. What was fetched is noted.
    fn on_demand(of: &Shared, usefulness: &Arc<Usefulness>, entries: u8) -> (Arc<Prefetch>, Arc<Mutex<Vec<ActionId>>>) {
        let one = Prefetch::of(of, usefulness, Some(OnDemand::new(&Arc::default())));
        let (prefetch, fetched) = (Arc::new(one), Arc::<Mutex<Vec<_>>>::default());
        let log = fetched.clone();
        prefetch.set_fetch(Box::new(move |action, progress| {
            lock(&log).push(*action);
            progress.done(action, true);
            Some(1)
        }));
        prefetch.wants(&mut (0..entries).map(|n| entry(n, 60_000)).collect::<Vec<_>>().iter());
        prefetch.end();
        (prefetch, fetched)
    }

    #[test]
    fn waits_for_the_index_do_not_count_against_what_it_names() {
        let prefetch = Arc::new(Prefetch::default());
        let action = ActionId([1; 32]);
        let past = Instant::now().checked_sub(REMOTE_WAIT.1).unwrap();
        (0..REMOTE_LATE).for_each(|_| prefetch.wait(&action, past));
        assert!(!prefetch.is_awaited(&action));
        prefetch.wants(&mut [entry(1, 60_000)].iter());
        assert!(prefetch.is_awaited(&action));
    }

    #[test]
    fn on_demand_a_get_brings_what_it_asks_for_and_enough_of_them_bring_the_prefetch_back() {
        let series = Series::new("common", &"0".repeat(32), "caddy").unwrap();
        let (of, usefulness) = ((series.clone(), true), Arc::<Usefulness>::default());
        let mut useless = Fetched::default();
        (0..64).for_each(|n| useless.note_fetched(&ActionId([n; 32])));
        (0..3).for_each(|_| usefulness.note(&series, &useless));
        let later = Instant::now() + Duration::from_secs(3600);
        for (asked, is_useless) in [(21, true), (22, false)] {
            let (prefetch, fetched) = on_demand(&of, &usefulness, 64);
            assert!(!prefetch.is_over() && !prefetch.is_awaited(&ActionId([99; 32])), "no index names it");
            assert!(prefetch.is_awaited(&ActionId([0; 32])) && lock(&fetched).is_empty());
            let asked: Vec<_> = (0..asked).map(|n| ActionId([n; 32])).collect();
            for action in &asked {
                prefetch.note_used(action);
                assert!(prefetch.ask_for(action));
                prefetch.wait(action, later);
                assert!(!prefetch.is_awaited(action), "it is here");
            }
            let mut brought = lock(&fetched).clone();
            brought.sort();
            assert_eq!(brought, asked, "nothing else");
            let judged = Arc::downgrade(&prefetch);
            drop(prefetch);
            while judged.strong_count() > 0 {
                thread::sleep(Duration::from_millis(1)); // a thread that fetched has not ended yet
            }
            assert_eq!(usefulness.is_useless(&series), is_useless);
        }
    }
}

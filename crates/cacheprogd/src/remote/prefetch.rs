//! What is fetched for builds of a name: ahead, as soon as it is known what there is (awaited.rs: who waits for it), or on demand
//! (`on_demand.rs`), where a get for what an index names puts it on its way. At its end it is noted how much of it was used (usefulness.rs).

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use proto::ActionId;
use remote::index::Entry;
use remote::series::Series;
use remote_sync::pull::Progress;

use super::awaited::{Awaited, Named};
use super::on_demand::{Asking, Fetch, OnDemand};
use super::usefulness::{Fetched, Usefulness};
use crate::limits::PREFETCH_STACK;
use crate::mutex::lock;

/// Whose builds share a prefetch: those of this series, which write what all users read or do not.
pub(super) type Shared = (Series, bool);

/// A prefetch.
#[derive(Debug)]
pub(crate) struct Prefetch {
    awaited: Awaited,
    /// Held for one entry, or for the names of all.
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

impl Prefetch {
    /// One for these builds.
    pub(super) fn of(
        (series, is_of_all_users): &Shared,
        usefulness: &Arc<Usefulness>,
        on_demand: Option<OnDemand>,
    ) -> Self {
        Self {
            awaited: Awaited::default(),
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
        self.awaited.end();
    }

    /// Whether a build that begins now asks again what there is.
    pub(super) fn is_over(&self) -> bool {
        self.on_demand.as_ref().is_some_and(OnDemand::is_old) || self.awaited.is_over()
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
        self.awaited.is_awaited(action) && self.on_demand.as_ref().is_none_or(|all| all.admits(action))
    }

    /// Puts it on its way, where it is fetched on demand. Whether it is, or may be when it is known what there is.
    pub(crate) fn ask_for(self: &Arc<Self>, action: &ActionId) -> bool {
        let Some(on_demand) = &self.on_demand else { return true };
        if !self.awaited.is_named(action) {
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

    /// Waits for it as [`Awaited::wait`] does. On demand, it is asked for.
    pub(crate) fn wait(self: &Arc<Self>, action: &ActionId, came: Instant) {
        self.awaited.wait(action, came, || self.ask_for(action));
    }
}

impl Progress for Prefetch {
    fn wants(&self, entries: &mut dyn Iterator<Item = &Entry>) {
        let named = Named::new(entries);
        if self.on_demand.is_some() {
            let mut fetched = lock(&self.fetched); // before a get finds out that it may come, and uses it
            named.actions().for_each(|action| fetched.note_fetched(action));
        }
        self.awaited.begin(named);
    }

    fn done(&self, action: &ActionId, came: bool) {
        if came && self.on_demand.is_none() {
            lock(&self.fetched).note_fetched(action);
        }
        self.awaited.done(action, came);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::{Output, OutputId};

    use super::*;

    fn entry(n: u8, cost_ms: u32) -> Entry {
        let output = Output { id: OutputId([n; 32]), size: 1 };
        Entry { action: ActionId([n; 32]), output, condition: None, cost_ms, time: 0 }
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

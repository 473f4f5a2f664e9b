//! Feeds the usage by time from what the builds count, and keeps it on the disk over restarts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use proto::control::{Counts, Usage};
use store::Store;

use crate::clock;
use crate::error::chain;
use crate::sync::lock;
use crate::usage::{Series, Step};

/// How often it is written down: what a killed daemon forgets.
const INTERVAL: Duration = Duration::from_secs(300);

/// What all builds did, by time.
#[derive(Debug)]
pub(crate) struct Meter {
    store: Arc<Store>,
    path: PathBuf,
    /// Guards nothing else; no file is touched while it is held.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    series: Series,
    /// What was counted when it was last looked at: builds that ended, and what all builds did.
    before: (u64, Counts),
    /// Something was added since it was written down.
    is_new: bool,
    written: Instant,
}

impl Meter {
    /// Reads what an earlier daemon wrote. A damaged file is an empty history. `before` is what is counted already.
    pub(crate) fn load(store: Arc<Store>, before: (u64, Counts), now: SystemTime) -> Self {
        let path = store.root().join("usage.json");
        let read = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut series: Series = read.unwrap_or_default();
        series.forget_after(clock::unix(now));
        let state = Mutex::new(State { series, before, is_new: false, written: Instant::now() });
        Self { store, path, state }
    }

    /// Called at each turn of the loop with what is counted now.
    pub(crate) fn turn(&self, total: (u64, Counts), now: SystemTime) {
        let totals = self.store.counters().totals();
        let due = {
            let mut state = lock(&self.state);
            let (builds, counts) = state.before;
            let what = Step {
                at: clock::unix(now),
                builds: total.0.saturating_sub(builds),
                counts: total.1.since(&counts),
                entries: totals.entries,
                bytes: totals.bytes,
            };
            if what.builds > 0 || what.counts != Counts::default() {
                state.series.add(&what);
                state.before = total;
                state.is_new = true;
            }
            state.is_new && state.written.elapsed() >= INTERVAL
        };
        if due {
            self.save();
        }
    }

    /// Writes it down.
    pub(crate) fn save(&self) {
        let json = {
            let mut state = lock(&self.state);
            state.is_new = false;
            state.written = Instant::now();
            serde_json::to_vec(&state.series).unwrap_or_default()
        };
        if let Err(e) = self.store.write_file(&self.path, &json) {
            log::warn!("{}", chain(&e));
        }
    }

    /// Of late.
    pub(crate) fn usage(&self, now: SystemTime) -> Usage {
        lock(&self.state).series.usage(clock::unix(now))
    }

    /// All of it.
    pub(crate) fn series(&self) -> Series {
        lock(&self.state).series.clone()
    }
}

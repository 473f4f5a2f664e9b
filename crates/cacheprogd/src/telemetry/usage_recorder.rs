//! Feeds the time series from what the builds count, and keeps it on the disk over restarts.
//!
//! The steps are in `time_series.rs`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use proto::control::{Counts, Usage};
use proto::error::with_causes;
use store::Store;

use super::time_series::{Step, TimeSeries};
use crate::clock;
use crate::limits::USAGE_SAVE_INTERVAL;
use crate::mutex::lock;

/// What all builds did, by time.
#[derive(Debug)]
pub(crate) struct UsageRecorder {
    store: Arc<Store>,
    path: PathBuf,
    /// Guards nothing else; no file is touched while it is held.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    series: TimeSeries,
    /// The totals of the last call: builds that ended, and what all builds did.
    before: (u64, Counts),
    /// Something was added since it was written.
    is_changed: bool,
    written: Instant,
}

impl UsageRecorder {
    /// Reads what an earlier daemon wrote. A damaged file is an empty series. `before` is what is counted already.
    pub(crate) fn load(store: Arc<Store>, before: (u64, Counts), now: SystemTime) -> Self {
        let path = store.root().join("usage.json");
        let read = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut series: TimeSeries = read.unwrap_or_default();
        series.forget_after(clock::unix(now));
        let state = Mutex::new(State { series, before, is_changed: false, written: Instant::now() });
        Self { store, path, state }
    }

    /// Called at each turn of the loop with the totals now.
    pub(crate) fn record(&self, total: (u64, Counts), now: SystemTime) {
        let totals = self.store.counters().totals();
        let due = {
            let mut state = lock(&self.state);
            let (builds, counts) = state.before;
            let new = Step {
                at: clock::unix(now),
                builds: total.0.saturating_sub(builds),
                counts: total.1.since(&counts),
                entries: totals.entries,
                bytes: totals.bytes,
            };
            if new.builds > 0 || new.counts != Counts::default() {
                state.series.add(&new);
                state.before = total;
                state.is_changed = true;
            }
            state.is_changed && state.written.elapsed() >= USAGE_SAVE_INTERVAL
        };
        if due {
            self.save();
        }
    }

    /// Writes it to the disk.
    pub(crate) fn save(&self) {
        let json = {
            let mut state = lock(&self.state);
            state.is_changed = false;
            state.written = Instant::now();
            serde_json::to_vec(&state.series).unwrap_or_default()
        };
        if let Err(e) = self.store.write_file(&self.path, &json) {
            log::warn!("{}", with_causes(&e));
        }
    }

    /// The sums of the last hour, day and month.
    pub(crate) fn usage(&self, now: SystemTime) -> Usage {
        lock(&self.state).series.usage(clock::unix(now))
    }

    /// All of it.
    pub(crate) fn series(&self) -> TimeSeries {
        lock(&self.state).series.clone()
    }
}

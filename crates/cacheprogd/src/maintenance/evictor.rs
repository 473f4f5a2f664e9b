//! Keeps the store within its limits: looks at the counters and at the disk, and starts an eviction when it is due.
//!
//! An eviction is a process of its own (`evict_process.rs`): the memory that a scan of a million entries takes is given back to the system at
//! its end. Which entries are evicted, the store plans (store: evict/plan.rs).

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::control::Eviction;
use proto::figures::bytes;
use settings::limit_arguments;
use store::{Disk, Limits, Store, Totals};

use crate::clock;
use crate::limits::{EVICTION_INTERVAL, EVICTION_MAX_INTERVAL, EVICTION_WAIT, FULL_SCAN_INTERVAL};
use crate::mutex::lock;

/// What the latest eviction removed, for the status.
pub(crate) type LatestEviction = Arc<Mutex<Option<Eviction>>>;

/// Starts evictions and waits for them.
#[derive(Debug)]
pub(crate) struct Evictor {
    store: Arc<Store>,
    limits: Limits,
    running: Option<Running>,
    /// When a full scan is due, whatever the size.
    next_full_scan: Instant,
    /// No eviction for the limits before this.
    not_before: Instant,
    interval: Duration,
    latest: LatestEviction,
}

#[derive(Debug)]
struct Running {
    child: Child,
    since: Instant,
    /// It is the day's full scan.
    is_full: bool,
    /// The disk when it began, where it was short of space or inodes.
    short: Option<Disk>,
}

/// What the child writes as JSON, as far as it is needed.
#[derive(serde::Deserialize)]
struct Outcome {
    before: Totals,
    left: Totals,
    gone: std::collections::BTreeMap<String, Gone>,
}

#[derive(serde::Deserialize)]
struct Gone {
    entries: u64,
    bytes: u64,
}

impl Evictor {
    /// `counted`: whether the counters that the last daemon left can be relied on.
    pub(crate) fn new(store: Arc<Store>, limits: Limits, counted: bool) -> Self {
        let now = Instant::now();
        let counted = (store.counters().reload() && counted) || store.is_new();
        let since_last = || FULL_SCAN_INTERVAL.saturating_sub(since_last_scan(store.root()));
        let next_full_scan = if counted { now + since_last() } else { now };
        Self {
            store,
            limits,
            running: None,
            next_full_scan,
            not_before: now,
            interval: EVICTION_INTERVAL,
            latest: LatestEviction::default(),
        }
    }

    pub(crate) fn latest(&self) -> LatestEviction {
        self.latest.clone()
    }

    /// Called at each turn of the loop.
    pub(crate) fn poll(&mut self) {
        match self.running.as_mut().map(|running| running.child.try_wait()) {
            Some(Ok(None)) => self.kill_late(),
            Some(Ok(Some(_)) | Err(_)) => self.collect(),
            None if Instant::now() >= self.not_before && self.is_due() => self.start(),
            None => {}
        }
    }

    /// Whether an eviction is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The daemon stops. An eviction can be killed at any instruction.
    pub(crate) fn finish(self) {
        if let Some(mut running) = self.running {
            drop(running.child.kill().and_then(|()| running.child.wait()));
        }
    }

    /// An eviction that hangs, on a disk that hangs, must not be the last one.
    fn kill_late(&mut self) {
        if let Some(running) = self.running.as_mut().filter(|running| running.since.elapsed() > EVICTION_WAIT) {
            let (limit, next) = (EVICTION_WAIT.as_secs(), self.interval.as_secs());
            log::error!("eviction killed after {limit} s; the next one starts in {next} s");
            drop(running.child.kill()); // its end is seen at the next turn
        }
    }

    fn is_due(&self) -> bool {
        // A disk that cannot be asked is not known to be full.
        let Ok(disk) = Disk::of(self.store.root()) else { return false };
        self.store.counters().reload(); // another process may have evicted or purged
        let totals = self.store.counters().totals();
        Instant::now() >= self.next_full_scan
            || self.limits.max_size(disk).is_some_and(|most| totals.bytes > most)
            || (self.limits.is_short(disk) && totals.entries > 0)
    }

    fn start(&mut self) {
        self.store.counters().begin_sweep_elsewhere();
        let short = Disk::of(self.store.root()).ok().filter(|&disk| self.limits.is_short(disk));
        let child = Command::new("/proc/self/exe")
            .args(["evict", "--state-dir"])
            .arg(self.store.root())
            .args(limit_arguments(&self.limits))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        match child {
            Ok(child) => {
                let now = Instant::now();
                self.running = Some(Running { child, since: now, is_full: now >= self.next_full_scan, short });
            }
            Err(e) => {
                self.store.counters().end_sweep_elsewhere(Some(Totals::default()));
                self.set_pause(false);
                log::warn!("cannot start an eviction: {e}; the next attempt is in {} s", self.interval.as_secs());
            }
        }
    }

    /// The child has exited: takes over what it counted.
    fn collect(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let mut text = String::new();
        let read = running.child.stdout.take().map(|mut out| out.read_to_string(&mut text));
        drop(running.child.wait());
        let outcome = serde_json::from_str::<Outcome>(&text);
        let (Some(Ok(_)), Ok(outcome)) = (read, outcome) else {
            self.store.counters().end_sweep_elsewhere(Some(Totals::default())); // nothing is known of it
            self.set_pause(false);
            return log::error!("eviction failed; the next one starts in {} s", self.interval.as_secs());
        };
        let removed = outcome.before.minus(outcome.left);
        self.store.counters().end_sweep_elsewhere((!running.is_full).then_some(removed));
        self.next_full_scan = Instant::now() + FULL_SCAN_INTERVAL;
        note_scan(self.store.root());
        let none = Eviction { at: clock::unix(clock::now()), ..Eviction::default() };
        let gone = outcome.gone.values().fold(none, |sum, gone| Eviction {
            entries: sum.entries + gone.entries,
            bytes: sum.bytes + gone.bytes,
            ..sum
        });
        if !running.is_full || running.short.is_some() {
            self.set_pause(gone.bytes > 0 && self.has_more_room(running.short));
        }
        if gone.bytes > 0 {
            let reasons: Vec<_> = outcome.gone.keys().map(String::as_str).collect();
            log::info!("evicted {} entries, {} ({})", gone.entries, bytes(gone.bytes), reasons.join(", "));
            *lock(&self.latest) = Some(gone);
        }
    }

    /// Where space was short, whether it is less so now: what live builds have linked is not free yet.
    fn has_more_room(&self, short: Option<Disk>) -> bool {
        let is_more = |before: Disk, now: Disk| now.free > before.free || now.free_inodes > before.free_inodes;
        short.is_none_or(|before| Disk::of(self.store.root()).is_ok_and(|now| is_more(before, now)))
    }

    /// Sets when the next eviction for the limits may start.
    fn set_pause(&mut self, freed_something: bool) {
        self.interval =
            if freed_something { EVICTION_INTERVAL } else { (self.interval * 2).min(EVICTION_MAX_INTERVAL) };
        self.not_before = Instant::now() + self.interval;
    }
}

/// A file whose mtime is the time of the last full scan: a daemon that exits when it is idle may never live for a day.
const LAST_SCAN: &str = "looked";

fn since_last_scan(root: &Path) -> Duration {
    match fs::metadata(root.join(LAST_SCAN)).and_then(|file| file.modified()) {
        // A time in the future, of a clock that was ahead, tells nothing.
        Ok(scanned) => clock::now().duration_since(scanned).unwrap_or(FULL_SCAN_INTERVAL),
        Err(_) => {
            note_scan(root);
            Duration::ZERO
        }
    }
}

fn note_scan(root: &Path) {
    // Where it cannot be written, the next daemon scans later.
    drop(File::create(root.join(LAST_SCAN)));
}

//! Keeps the store within its limits: looks at kept counters and at the disk, and runs an eviction (evict.rs) when it is time.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::control::Eviction;
use proto::figures::bytes;
use settings::arguments;
use store::{Disk, Limits, Store, Totals};

use crate::clock;
use crate::sync::lock;

/// How often the whole store is looked at: for the age limit, for what crashes left, and to set the count right.
const FULL: Duration = Duration::from_secs(24 * 3600);

/// From one run for the limits to the next. Doubled where one freed nothing: what live builds have linked stays on the disk.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long one run may take.
const LONGEST_RUN: Duration = Duration::from_secs(3600);

/// What the latest run did, for `status`.
pub(crate) type Latest = Arc<Mutex<Option<Eviction>>>;

/// The one who tidies up.
#[derive(Debug)]
pub(crate) struct Housekeeping {
    store: Arc<Store>,
    limits: Limits,
    running: Option<Running>,
    /// When a run is due whatever the size.
    full: Instant,
    /// Not before.
    rest_until: Instant,
    pause: Duration,
    latest: Latest,
}

#[derive(Debug)]
struct Running {
    child: Child,
    since: Instant,
    /// It is the day's look at everything.
    is_full: bool,
    /// The disk when it began, where it was short of space or inodes.
    short: Option<Disk>,
}

/// What the eviction prints, as far as it is needed.
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

impl Housekeeping {
    /// `counted`: whether the count that the last daemon left can be relied on.
    pub(crate) fn new(store: Arc<Store>, limits: Limits, counted: bool) -> Self {
        let now = Instant::now();
        let counted = (store.counters().reload() && counted) || store.is_new();
        let full = if counted { now + FULL.saturating_sub(since_last_look(store.root())) } else { now };
        Self { store, limits, running: None, full, rest_until: now, pause: PAUSE, latest: Latest::default() }
    }

    pub(crate) fn latest(&self) -> Latest {
        self.latest.clone()
    }

    /// Called at each turn of the loop.
    pub(crate) fn turn(&mut self) {
        match self.running.as_mut().map(|running| running.child.try_wait()) {
            Some(Ok(None)) => self.end_late(),
            Some(Ok(Some(_)) | Err(_)) => self.ended(),
            None if Instant::now() >= self.rest_until && self.is_due() => self.begin(),
            None => {}
        }
    }

    /// Whether a run is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The daemon stops. A run can be ended at any instruction.
    pub(crate) fn finish(self) {
        if let Some(mut running) = self.running {
            drop(running.child.kill().and_then(|()| running.child.wait()));
        }
    }

    /// One that hangs, on a disk that does, must not be the last one.
    fn end_late(&mut self) {
        if let Some(running) = self.running.as_mut().filter(|running| running.since.elapsed() > LONGEST_RUN) {
            log::error!("an eviction took over {} s: it is ended", LONGEST_RUN.as_secs());
            drop(running.child.kill()); // seen at the next turn
        }
    }

    fn is_due(&self) -> bool {
        // A disk that cannot be asked is not known to be full.
        let Ok(disk) = Disk::of(self.store.root()) else { return false };
        self.store.counters().reload(); // should somebody else have been at it
        let totals = self.store.counters().totals();
        Instant::now() >= self.full
            || self.limits.max_size(disk).is_some_and(|most| totals.bytes > most)
            || (self.limits.is_short(disk) && totals.entries > 0)
    }

    fn begin(&mut self) {
        self.store.counters().begin_sweep_elsewhere();
        let short = Disk::of(self.store.root()).ok().filter(|&disk| self.limits.is_short(disk));
        let child = Command::new("/proc/self/exe")
            .args(["evict", "--state-dir"])
            .arg(self.store.root())
            .args(arguments(&self.limits))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        match child {
            Ok(child) => {
                let now = Instant::now();
                self.running = Some(Running { child, since: now, is_full: now >= self.full, short });
            }
            Err(e) => {
                self.store.counters().end_sweep_elsewhere(Some(Totals::default()));
                self.rest(false);
                log::warn!("starting an eviction: {e}");
            }
        }
    }

    fn ended(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let mut text = String::new();
        let read = running.child.stdout.take().map(|mut out| out.read_to_string(&mut text));
        drop(running.child.wait());
        let outcome = serde_json::from_str::<Outcome>(&text);
        let (Some(Ok(_)), Ok(outcome)) = (read, outcome) else {
            self.store.counters().end_sweep_elsewhere(Some(Totals::default())); // nothing is known of it
            self.rest(false);
            return log::error!("an eviction failed; the next is tried in {} s", self.pause.as_secs());
        };
        let went = outcome.before.minus(outcome.left);
        self.store.counters().end_sweep_elsewhere((!running.is_full).then_some(went));
        self.full = Instant::now() + FULL;
        note_look(self.store.root());
        let none = Eviction { at: clock::unix(clock::now()), ..Eviction::default() };
        let gone = outcome.gone.values().fold(none, |sum, gone| Eviction {
            entries: sum.entries + gone.entries,
            bytes: sum.bytes + gone.bytes,
            ..sum
        });
        // Where space was short, that it is less so is what counts: what live builds have linked is not free yet.
        let is_more = |before: Disk, now: Disk| now.free > before.free || now.free_inodes > before.free_inodes;
        let is_freer =
            running.short.is_none_or(|before| Disk::of(self.store.root()).is_ok_and(|now| is_more(before, now)));
        if !running.is_full || running.short.is_some() {
            self.rest(gone.bytes > 0 && is_freer);
        }
        if gone.bytes > 0 {
            let reasons: Vec<_> = outcome.gone.keys().map(String::as_str).collect();
            log::info!("evicted {} entries, {} ({})", gone.entries, bytes(gone.bytes), reasons.join(", "));
            *lock(&self.latest) = Some(gone);
        }
    }

    /// Sets when the next run for the limits may be.
    fn rest(&mut self, was_of_use: bool) {
        self.pause = if was_of_use { PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
        self.rest_until = Instant::now() + self.pause;
    }
}

/// A file whose mtime says when the whole store was last looked at: a daemon that ends for lack of work may never live for
/// a day.
const LOOKED: &str = "looked";

fn since_last_look(root: &Path) -> Duration {
    match fs::metadata(root.join(LOOKED)).and_then(|file| file.modified()) {
        // One from the future, of a clock that was ahead, says nothing.
        Ok(looked) => clock::now().duration_since(looked).unwrap_or(FULL),
        Err(_) => {
            note_look(root);
            Duration::ZERO
        }
    }
}

fn note_look(root: &Path) {
    // Where it cannot be written, the next daemon looks later.
    drop(File::create(root.join(LOOKED)));
}

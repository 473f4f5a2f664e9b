//! Brings what was written to the disk, now and then, in a thread: a sync may take long.
//!
//! What follows from a failed sync is the store's part (store: recovery.rs); the marker for the next daemon is
//! `clean_shutdown.rs`'s.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use proto::error::with_causes;
use store::{Store, StoreError};

use crate::clock;
use crate::error::CommandError;
use crate::limits::{LAST_SYNC_WAIT, SYNC_MAX_DELAY, SYNC_QUIET};

/// What brings the file system of an open directory to the disk: [`syncfs`], in a daemon.
pub(crate) type SyncFileSystem = fn(&File) -> io::Result<()>;

/// syncfs(2).
pub(crate) fn syncfs(root: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(root)?)
}

/// Syncs the store's file system when it is due.
#[derive(Debug)]
pub(crate) struct Syncer {
    store: Arc<Store>,
    disk: Disk,
    schedule: Schedule,
    /// When the latest sync began.
    began: SystemTime,
    running: Option<JoinHandle<bool>>,
}

/// When a sync is due. Pure.
#[derive(Debug)]
struct Schedule {
    /// Puts up to the latest look, and when there was a new one.
    puts: u64,
    latest: Instant,
    /// When the first put came that may not be on the disk.
    first: Option<Instant>,
}

impl Schedule {
    /// Whether a sync is due, after so many puts.
    fn is_due(&mut self, puts: u64, now: Instant) -> bool {
        if self.puts != puts {
            (self.puts, self.latest) = (puts, now);
            self.first.get_or_insert(now);
        }
        self.first.is_some_and(|first| now >= self.latest + SYNC_QUIET || now >= first + SYNC_MAX_DELAY)
    }
}

impl Syncer {
    /// `is_unsynced`: what an earlier daemon wrote may not be on the disk.
    pub(crate) fn new(store: Arc<Store>, sync: SyncFileSystem, is_unsynced: bool) -> Result<Self, CommandError> {
        let root = store.root();
        let opened = File::open(root).map_err(StoreError::at("opening", root))?;
        let disk = Disk { root: Arc::new(opened), sync };
        let schedule = Schedule { puts: 0, latest: Instant::now(), first: is_unsynced.then(Instant::now) };
        Ok(Self { store, disk, schedule, began: clock::now(), running: None })
    }

    /// Syncs and waits for it.
    pub(crate) fn sync_now(&self) -> Result<(), StoreError> {
        self.disk.sync(&self.store)
    }

    /// Called at each turn of the loop, with the puts since the daemon's start, and what was copied from layers.
    pub(crate) fn poll(&mut self, puts: u64) {
        let now = Instant::now();
        if let Some(done) = self.running.take_if(|running| running.is_finished())
            && !done.join().unwrap_or(false)
        {
            (self.schedule.first, self.schedule.latest) = (Some(now), now); // again, later
        }
        // After a clock was set back, `synced` would speak of what is yet to be put.
        let is_set_back = clock::now() < self.began;
        if (self.schedule.is_due(puts, now) || is_set_back) && self.running.is_none() {
            self.running = self.start();
            if self.running.is_some() {
                (self.schedule.first, self.began) = (None, clock::now());
            }
        }
    }

    /// The last sync. Whether all that was written is on the disk.
    pub(crate) fn finish(mut self) -> bool {
        let deadline = Instant::now() + LAST_SYNC_WAIT;
        // First the sync that is under way: the kernel reports an error to one of two, and that one has to write it down.
        let is_over = self.running.take().is_none_or(|running| wait(&running, deadline));
        let succeeds = |last: JoinHandle<bool>| wait(&last, deadline) && last.join().unwrap_or(false);
        is_over && self.start().is_some_and(succeeds)
    }

    fn start(&self) -> Option<JoinHandle<bool>> {
        let (store, disk) = (self.store.clone(), self.disk.clone());
        let work = move || disk.sync(&store).inspect_err(|e| log::warn!("{}", with_causes(e))).is_ok();
        thread::Builder::new().name("sync".to_owned()).spawn(work).ok()
    }
}

/// Whether the thread ends before the deadline.
fn wait(running: &JoinHandle<bool>, deadline: Instant) -> bool {
    while !running.is_finished() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(2));
    }
    running.is_finished()
}

/// The disk on which the store is.
#[derive(Debug, Clone)]
struct Disk {
    /// One descriptor for the daemon's life: Linux reports an error once to each descriptor.
    root: Arc<File>,
    sync: SyncFileSystem,
}

impl Disk {
    fn sync(&self, store: &Store) -> Result<(), StoreError> {
        store.counters().reload(); // another process may have counted
        if let Err(e) = store.counters().save() {
            log::warn!("{}", with_causes(&e)); // the next full scan corrects it
        }
        store.recovery().sync(clock::now, || (self.sync)(&self.root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use store::Access;

    use crate::maintenance::clean_shutdown;

    #[test]
    fn the_last_sync_begins_when_no_other_is_under_way() {
        static UNDER_WAY: AtomicBool = AtomicBool::new(false);
        static AT_ONCE: AtomicBool = AtomicBool::new(false);
        let slow = |_: &File| {
            AT_ONCE.fetch_or(UNDER_WAY.swap(true, Relaxed), Relaxed);
            thread::sleep(Duration::from_millis(100));
            UNDER_WAY.store(false, Relaxed);
            Ok(())
        };
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Access::Traversable).unwrap();
        let (store, mut syncer, _) = clean_shutdown::start(store, "boot", slow).unwrap();
        syncer.running = syncer.start();
        while !UNDER_WAY.load(Relaxed) {
            thread::yield_now();
        }
        clean_shutdown::finish(&store, syncer);
        assert!(dir.path().join("clean").exists() && !AT_ONCE.load(Relaxed));
    }

    #[test]
    fn puts_are_synced_after_a_quiet_time_and_otherwise_after_a_maximum_delay() {
        let start = Instant::now();
        let mut schedule = Schedule { puts: 0, latest: start, first: None };
        let mut at = |puts, seconds| schedule.is_due(puts, start + Duration::from_secs(seconds));
        assert!(!at(0, 5000), "nothing was put");
        assert!(!at(7, 5001) && !at(7, 5060) && at(7, 5061));
        schedule.first = None; // done
        let mut at = |puts, seconds| schedule.is_due(puts, start + Duration::from_secs(seconds));
        assert!(!at(7, 9000), "nothing new");
        assert!((0..1200).all(|n| !at(8 + n, 9000 + n)), "a build that puts");
        assert!(at(2000, 10_200));
    }
}

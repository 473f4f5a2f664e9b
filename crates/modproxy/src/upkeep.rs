//! Keeps a store of this program's own within its limits for as long as it serves: one thread, which looks at what was counted
//! and at the disk each minute and after each put. The daemon does this for its store, and the client once a day for its own,
//! which may be the same as this one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use store::{Caps, Census, Disk, Limits, Store, StoreError, Unwanted};

use crate::clock;

/// How often it looks when nothing is put: others fill the disk too.
const LOOK: Duration = Duration::from_secs(60);

/// How often the whole store is looked at, beside once at the beginning: for the age limit, and to set the count right.
const FULL: Duration = Duration::from_secs(24 * 3600);

/// How long one sweep may take, in all. A store of a million entries was seen to take seconds.
const AT_MOST: Duration = Duration::from_secs(600);

/// How long it rests after a sweep that could not bring the store within its limits: what was used within a day stays in the
/// client's store. Doubled each time.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Upkeep {
    wake: SyncSender<()>,
    /// Bytes that were put so far.
    put: Arc<AtomicU64>,
}

impl Upkeep {
    /// # Errors
    /// What the system says: there is no thread.
    pub(crate) fn start(store: Arc<Store>, caps: Caps) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let put = Arc::new(AtomicU64::new(0));
        let thread = thread::Builder::new().name("upkeep".to_owned());
        let counted = put.clone();
        thread.spawn(move || tend(&store, &caps, &woken, &counted))?;
        Ok(Self { wake, put })
    }

    /// So many bytes were put.
    pub(crate) fn look(&self, bytes: u64) {
        self.put.fetch_add(bytes, Relaxed);
        let _full = self.wake.try_send(()); // then a look is about to come
    }
}

fn tend(store: &Store, caps: &Caps, woken: &Receiver<()>, put: &AtomicU64) {
    let _usual = setpriority_process(None, 19); // of this thread alone; where it may not, at the usual priority
    let mut looked: Option<Instant> = None;
    // What was put while the store was looked at, which may have seen it or not, counts until the next look.
    let mut unseen = 0;
    let mut rest: Option<(Instant, Duration)> = None;
    loop {
        let is_resting = rest.is_some_and(|(since, pause)| since.elapsed() < pause);
        let is_due = || {
            store.read_counts(); // should somebody else have been at it
            let census = store.census();
            let census = Census { bytes: census.bytes.saturating_add(unseen), ..census };
            looked.is_none_or(|looked| looked.elapsed() > FULL) || is_over(&limits(store, caps), census)
        };
        if !is_resting && is_due() {
            looked = Some(Instant::now());
            let before = put.load(Relaxed);
            let within = sweep(store, caps).unwrap_or_else(|e| {
                log::warn!("bringing the store within its limits: {e}");
                false
            });
            unseen = put.load(Relaxed).saturating_sub(before);
            let longer = rest.map_or(PAUSE, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
            rest = (!within).then(|| (Instant::now(), longer));
        }
        match woken.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Whether it is within its limits now.
fn sweep(store: &Store, caps: &Caps) -> Result<bool, StoreError> {
    let until = Instant::now() + AT_MOST;
    let swept = store.sweep(&limits(store, caps), clock::now(), Unwanted::Remove, &mut || Instant::now() < until)?;
    let Some(swept) = swept else { return Ok(false) };
    let (entries, bytes) = swept.gone.values().fold((0, 0), |(n, m), gone| (n + gone.entries, m + gone.bytes));
    if bytes > 0 {
        log::info!("evicted {entries} entries, {bytes} bytes");
    }
    Ok(!is_over(&limits(store, caps), swept.left))
}

/// A disk that cannot be asked is not known to be full.
fn limits(store: &Store, caps: &Caps) -> Limits {
    Disk::of(store.root()).map_or(Limits::default(), |disk| caps.limits(disk))
}

fn is_over(limits: &Limits, census: Census) -> bool {
    let is_large = limits.max_size.is_some_and(|most| census.bytes > most);
    is_large || (limits.free.max(limits.free_files) > 0 && census.entries > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_over_its_limits_by_its_size_or_for_want_of_space() {
        let census = Census { entries: 2, objects: 2, bytes: 1000 };
        let limits = Limits { max_size: Some(1000), ..Limits::default() };
        assert!(!is_over(&limits, census));
        assert!(is_over(&limits, Census { bytes: 1001, ..census }));
        assert!(!is_over(&Limits::default(), Census { bytes: u64::MAX, ..census }));
        let short = Limits { free: 1, ..limits };
        assert!(is_over(&short, census));
        assert!(!is_over(&short, Census::default()), "nothing is there to go");
    }
}

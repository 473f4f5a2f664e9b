//! Keeps an embedded store within its limits while the proxy serves: one thread, which compares the store's counters and the
//! free disk space with the limits each minute and after each put. The daemon does this for its own store, and the client once
//! a day for its store, which may be the same as this one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use store::{Disk, Limits, Mode, Store, StoreError, Targets, Totals};

use crate::clock;

/// How often it compares without a put: other programs fill the disk too.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// How often it scans the whole store, besides once at the start: for the age limit, and to correct the counters.
const FULL_SCAN_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Longest time of one sweep. A store of a million entries took seconds.
const MAX_SWEEP_TIME: Duration = Duration::from_secs(600);

/// Delay after a sweep that left the store above its limits: entries that were used within a day stay in the client's store.
/// It doubles each time.
const RETRY_DELAY: Duration = Duration::from_secs(60);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(3600);

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Evictor {
    wake: SyncSender<()>,
    /// Bytes that were put so far.
    put_bytes: Arc<AtomicU64>,
}

impl Evictor {
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(store: Arc<Store>, limits: Limits) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let put_bytes = Arc::new(AtomicU64::new(0));
        let thread = thread::Builder::new().name("evictor".to_owned());
        let counted = put_bytes.clone();
        thread.spawn(move || run(&store, &limits, &woken, &counted))?;
        Ok(Self { wake, put_bytes })
    }

    /// Counts the bytes of a put and wakes the thread.
    pub(crate) fn note_put(&self, bytes: u64) {
        self.put_bytes.fetch_add(bytes, Relaxed);
        let _full = self.wake.try_send(()); // full: the thread is about to wake anyway
    }
}

fn run(store: &Store, limits: &Limits, woken: &Receiver<()>, put_bytes: &AtomicU64) {
    let _unchanged = setpriority_process(None, 19); // of this thread only; where that is refused, at the usual priority
    let mut scanned: Option<Instant> = None;
    // Bytes that were put during a sweep, which may have counted them or not, are added until the next sweep.
    let mut uncounted = 0;
    let mut delay: Option<(Instant, Duration)> = None;
    loop {
        let is_delayed = delay.is_some_and(|(since, delay)| since.elapsed() < delay);
        let is_due = || {
            store.counters().reload(); // another process may have changed them
            let totals = store.counters().totals();
            let totals = Totals { bytes: totals.bytes.saturating_add(uncounted), ..totals };
            scanned.is_none_or(|scanned| scanned.elapsed() > FULL_SCAN_INTERVAL)
                || is_over(&targets(store, limits), totals)
        };
        if !is_delayed && is_due() {
            scanned = Some(Instant::now());
            let before = put_bytes.load(Relaxed);
            let is_within = sweep(store, limits).unwrap_or_else(|e| {
                log::warn!("cannot evict from the store: {e}");
                false
            });
            uncounted = put_bytes.load(Relaxed).saturating_sub(before);
            let longer = delay.map_or(RETRY_DELAY, |(_, delay)| (delay * 2).min(MAX_RETRY_DELAY));
            delay = (!is_within).then(|| (Instant::now(), longer));
        }
        match woken.recv_timeout(CHECK_INTERVAL) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Evicts; returns whether the store is within its limits afterwards.
fn sweep(store: &Store, limits: &Limits) -> Result<bool, StoreError> {
    let until = Instant::now() + MAX_SWEEP_TIME;
    let swept =
        store.evictor().sweep(&targets(store, limits), clock::now(), Mode::Apply, &mut || Instant::now() < until)?;
    let Some(swept) = swept else { return Ok(false) };
    let (entries, bytes) = swept.gone.values().fold((0, 0), |(n, m), gone| (n + gone.entries, m + gone.bytes));
    if bytes > 0 {
        log::info!("evicted {entries} entries, {bytes} bytes");
    }
    Ok(!is_over(&targets(store, limits), swept.left))
}

/// The targets at the present state of the disk. Where that is unknown, the disk does not count as full.
fn targets(store: &Store, limits: &Limits) -> Targets {
    Disk::of(store.root()).map_or(Targets::default(), |disk| limits.targets(disk))
}

fn is_over(targets: &Targets, totals: Totals) -> bool {
    let is_large = targets.max_size.is_some_and(|most| totals.bytes > most);
    is_large || (targets.bytes_to_free.max(targets.inodes_to_free) > 0 && totals.entries > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_exceeds_its_limits_by_its_size_or_by_too_little_free_space() {
        let totals = Totals { entries: 2, objects: 2, bytes: 1000 };
        let targets = Targets { max_size: Some(1000), ..Targets::default() };
        assert!(!is_over(&targets, totals));
        assert!(is_over(&targets, Totals { bytes: 1001, ..totals }));
        assert!(!is_over(&Targets::default(), Totals { bytes: u64::MAX, ..totals }));
        let short = Targets { bytes_to_free: 1, ..targets };
        assert!(is_over(&short, totals));
        assert!(!is_over(&short, Totals::default()), "an empty store has nothing to evict");
    }
}

//! Whether the last daemon on this state directory stopped in order, and what may not have reached the disk if not.
//!
//! ```text
//! doubt     spans of time, a line each: what was made then is read before it is served, unless it was read since
//! clean     there while no daemon runs that stopped in order
//! synced    seconds since 1970: what was written before is on the disk
//! ```

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use store::{Store, StoreError};

use crate::clock;
use crate::error::{CommandError, chain};

/// How often what was written is brought to the disk while builds run: how much has to be read again after a power cut.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long a stopping daemon waits for the disk. One that takes longer is not in order.
const AT_END: Duration = Duration::from_secs(5);

/// A file is made before its bytes are written, as long as a body of 4 GiB takes, in seconds; and clocks are set.
const MARGIN: u64 = 300;

/// Spans that are remembered.
const MOST_DOUBTS: usize = 100;

/// Takes the mark of the last daemon away, and doubts what it may have lost if there is none.
pub(crate) fn take_over(store: Store) -> Result<(Arc<Store>, Syncing), CommandError> {
    let root = store.root().to_owned();
    let mark = root.join("clean");
    let failed = |verb, path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::Store(StoreError::Io { verb, path, source })
    };
    let mut doubts = read_doubts(&root);
    let mut unsaved = false;
    match fs::remove_file(&mark) {
        // The disk must know before anything is written: after a power cut the mark would be back.
        Ok(()) => File::open(&root).and_then(|dir| dir.sync_all()).map_err(failed("syncing", &root))?,
        Err(e) if e.kind() == ErrorKind::NotFound && is_new(&root) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => {
            log::info!("the last daemon did not stop in order: what it wrote last is read before it is served");
            doubts.push(span(read_number(&root.join("synced")).unwrap_or(0), clock::unix(clock::now())));
            doubts = merged(doubts);
            unsaved = true;
        }
        Err(e) => return Err(failed("removing", &mark)(e)),
    }
    let store = Arc::new(store.doubting(doubts.clone()));
    let syncing =
        Syncing { doubts: Arc::new(doubts), unsaved, store: store.clone(), last: Instant::now(), running: None };
    if unsaved && let Err(e) = syncing.begin() {
        log::warn!("{}", chain(&e)); // no space, say: what is there is served all the same
    }
    Ok((store, syncing))
}

/// From the last sync to the start of this daemon. A clock that went back, or is not set yet, says nothing.
fn span(synced: u64, now: u64) -> (u64, u64) {
    if now < synced { (0, u64::MAX) } else { (synced.saturating_sub(MARGIN), now) }
}

/// Spans that overlap as one; of more than can be kept the oldest as one.
fn merged(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (since, until) in spans {
        match all.last_mut() {
            Some(last) if since <= last.1 => last.1 = last.1.max(until),
            _ => all.push((since, until)),
        }
    }
    while all.len() > MOST_DOUBTS {
        let (first, second) = (all[0], all.remove(1));
        all[0] = (first.0, second.1);
    }
    all
}

/// What earlier daemons doubted: an object that nobody asked for since was not read. What cannot be read is everything.
fn read_doubts(root: &Path) -> Vec<(u64, u64)> {
    let read = |line: &str| line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match fs::read_to_string(root.join("doubt")) {
        Ok(text) => text.lines().map(|line| read(line).unwrap_or((0, u64::MAX))).collect(),
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(_) => vec![(0, u64::MAX)],
    }
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether nothing was ever stored here.
fn is_new(root: &Path) -> bool {
    fs::read_dir(root.join("objects")).is_ok_and(|mut entries| entries.next().is_none())
}

/// Brings what was written to the disk, now and then, in a thread: it may take long.
#[derive(Debug)]
pub(crate) struct Syncing {
    store: Arc<Store>,
    doubts: Arc<Vec<(u64, u64)>>,
    /// The doubts are not on the disk yet: nothing may say that all is well before they are.
    unsaved: bool,
    last: Instant,
    running: Option<JoinHandle<bool>>,
}

impl Syncing {
    /// Called at each turn of the loop while builds run.
    pub(crate) fn turn(&mut self) {
        if self.last.elapsed() >= INTERVAL && self.running.as_ref().is_none_or(JoinHandle::is_finished) {
            self.last = Instant::now();
            self.running = self.start();
        }
    }

    /// The end, in order: all that was written is on the disk, or the next daemon doubts it.
    pub(crate) fn finish(self) {
        let Some(last) = self.start() else { return };
        let until = Instant::now() + AT_END;
        while !last.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(2));
        }
        if !last.is_finished() || !last.join().unwrap_or(false) {
            log::warn!("the disk is slow or full: the next daemon reads what was written last before it serves it");
        } else if let Err(e) = self.store.write_file(&self.store.root().join("clean"), b"") {
            log::warn!("{}", chain(&e));
        }
    }

    fn start(&self) -> Option<JoinHandle<bool>> {
        let (store, doubts) = (self.store.clone(), self.unsaved.then(|| self.doubts.clone()));
        let work = move || sync(&store, doubts.as_deref()).inspect_err(|e| log::warn!("{}", chain(e))).is_ok();
        thread::Builder::new().name("sync".to_owned()).spawn(work).ok()
    }

    /// What the last daemon wrote is brought to the disk, and what of it is in doubt.
    fn begin(&self) -> Result<(), StoreError> {
        save(&self.store, &self.doubts)?;
        self.store.sync()
    }
}

fn sync(store: &Store, doubts: Option<&Vec<(u64, u64)>>) -> Result<(), StoreError> {
    if let Some(doubts) = doubts {
        save(store, doubts)?;
    }
    let before = clock::now();
    store.sync()?;
    store.write_file(&store.root().join("synced"), format!("{}\n", clock::unix(before)).as_bytes())
}

fn save(store: &Store, doubts: &[(u64, u64)]) -> Result<(), StoreError> {
    let text: String = doubts.iter().map(|(since, until)| format!("{since} {until}\n")).collect();
    store.write_file(&store.root().join("doubt"), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_merged_and_none_is_lost() {
        assert_eq!(merged(vec![(50, 60), (10, 20), (15, 30)]), [(10, 30), (50, 60)]);
        let many = merged((0..500).map(|n| (n * 10, n * 10 + 5)).collect());
        assert_eq!(many.len(), MOST_DOUBTS);
        assert_eq!((many[0].0, many[MOST_DOUBTS - 1]), (0, (4990, 4995)));
        assert_eq!(span(1000, 2000), (700, 2000));
        assert_eq!(span(1000, 999), (0, u64::MAX));
    }
}

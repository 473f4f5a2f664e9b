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

/// File systems keep times of different precision, in seconds.
const MARGIN: u64 = 5;

/// Spans that are remembered.
const MOST_DOUBTS: usize = 100;

/// Takes the mark of the last daemon away, and doubts what it may have lost if there is none.
pub(crate) fn take_over(store: Store) -> Result<Store, CommandError> {
    let root = store.root().to_owned();
    let mark = root.join("clean");
    let failed = |verb, path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::Store(StoreError::Io { verb, path, source })
    };
    let mut doubts = read_doubts(&root);
    match fs::remove_file(&mark) {
        // The disk must know before anything is written: after a power cut the mark would be back.
        Ok(()) => File::open(&root).and_then(|dir| dir.sync_all()).map_err(failed("syncing", &root))?,
        Err(e) if e.kind() == ErrorKind::NotFound && is_new(&root) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => {
            log::info!("the last daemon did not stop in order: what it wrote last is read before it is served");
            doubts.push(span(read_number(&root.join("synced")).unwrap_or(0), clock::unix(clock::now())));
            doubts.drain(..doubts.len().saturating_sub(MOST_DOUBTS));
            let text: String = doubts.iter().map(|(since, until)| format!("{since} {until}\n")).collect();
            store.write_file(&root.join("doubt"), text.as_bytes())?;
            store.sync()?;
        }
        Err(e) => return Err(failed("removing", &mark)(e)),
    }
    Ok(store.doubting(doubts))
}

/// From the last sync to the start of this daemon. A clock that runs behind is one that was not set yet: then all that comes
/// is doubted as well.
fn span(synced: u64, now: u64) -> (u64, u64) {
    (synced.saturating_sub(MARGIN), if now < synced { u64::MAX } else { now })
}

/// What earlier daemons doubted: an object that nobody asked for since was not read.
fn read_doubts(root: &Path) -> Vec<(u64, u64)> {
    let text = fs::read_to_string(root.join("doubt")).unwrap_or_default();
    let read = |line: &str| line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    text.lines().filter_map(read).collect()
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
    last: Instant,
    running: Option<JoinHandle<bool>>,
}

impl Syncing {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, last: Instant::now(), running: None }
    }

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
            log::warn!("the disk is slow: the next daemon reads what was written last before it serves it");
        } else if let Err(e) = self.store.write_file(&self.store.root().join("clean"), b"") {
            log::warn!("{}", chain(&e));
        }
    }

    fn start(&self) -> Option<JoinHandle<bool>> {
        let store = self.store.clone();
        let work = move || sync(&store).inspect_err(|e| log::warn!("{}", chain(e))).is_ok();
        thread::Builder::new().name("sync".to_owned()).spawn(work).ok()
    }
}

fn sync(store: &Store) -> Result<(), StoreError> {
    let before = clock::now();
    store.sync()?;
    store.write_file(&store.root().join("synced"), format!("{}\n", clock::unix(before)).as_bytes())
}

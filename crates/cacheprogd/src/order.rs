//! Whether the last daemon on this state directory stopped in order, and what may not have reached the disk if not.
//!
//! `clean` is there while no daemon runs that stopped in order. What is doubted is the store's to keep (store: doubt.rs).

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

/// Takes the mark of the last daemon away, and doubts what it may have lost if there is none.
pub(crate) fn take_over(store: Store) -> Result<(Arc<Store>, Syncing), CommandError> {
    let root = store.root().to_owned();
    let mark = root.join("clean");
    let failed = |verb, path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::Store(StoreError::Io { verb, path, source })
    };
    let unclean = match fs::remove_file(&mark) {
        // The disk must know before anything is written: after a power cut the mark would be back.
        Ok(()) => {
            File::open(&root).and_then(|dir| dir.sync_all()).map_err(failed("syncing", &root))?;
            false
        }
        Err(e) if e.kind() == ErrorKind::NotFound => !store.is_new(),
        Err(e) => return Err(failed("removing", &mark)(e)),
    };
    let store = Arc::new(store.doubting_again(unclean, clock::now()));
    let syncing = Syncing { unsaved: unclean, store: store.clone(), last: Instant::now(), running: None };
    if unclean {
        log::info!("the last daemon did not stop in order: what it wrote last is read before it is served");
        if let Err(e) = sync(&store, true) {
            log::warn!("{}", chain(&e)); // no space, say: what is there is served all the same
        }
    }
    Ok((store, syncing))
}

/// Brings what was written to the disk, now and then, in a thread: it may take long.
#[derive(Debug)]
pub(crate) struct Syncing {
    store: Arc<Store>,
    /// The doubts are not on the disk yet: nothing may say that all is well before they are.
    unsaved: bool,
    last: Instant,
    running: Option<JoinHandle<bool>>,
}

impl Syncing {
    /// Whether the last daemon stopped in order.
    pub(crate) fn was_clean(&self) -> bool {
        !self.unsaved
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
            log::warn!("the disk is slow or full: the next daemon reads what was written last before it serves it");
        } else if let Err(e) = self.store.write_file(&self.store.root().join("clean"), b"") {
            log::warn!("{}", chain(&e));
        }
    }

    fn start(&self) -> Option<JoinHandle<bool>> {
        let (store, unsaved) = (self.store.clone(), self.unsaved);
        let work = move || sync(&store, unsaved).inspect_err(|e| log::warn!("{}", chain(e))).is_ok();
        thread::Builder::new().name("sync".to_owned()).spawn(work).ok()
    }
}

fn sync(store: &Store, unsaved: bool) -> Result<(), StoreError> {
    if unsaved {
        store.save_doubts()?;
    }
    let before = clock::now();
    store.read_counts(); // should somebody else have counted
    store.write_counts()?;
    store.sync(before)
}

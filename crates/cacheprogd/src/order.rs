//! Whether the last daemon on this state directory stopped in order, and what may not have reached the disk if not.
//!
//! `clean` is there while no daemon runs that stopped in order. What is doubted is the store's to keep (store: doubt.rs).

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use store::{Store, StoreError};

use crate::clock;
use crate::error::{CommandError, chain};

/// How long nothing is put before what was written is brought to the disk. syncfs(2) is about the whole file system, with what a
/// go command has in its temporary directory and removes again: in the midst of a build everybody waits for the disk. After
/// this time the kernel has written by itself what there is (`dirty_expire_centisecs` of `proc_sys_vm(5)`).
const QUIET: Duration = Duration::from_secs(60);

/// Where it never is quiet: how much has to be read again after a power cut.
const LONGEST: Duration = Duration::from_secs(1200);

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
    let due = Due { puts: 0, latest: Instant::now(), first: unclean.then(Instant::now) };
    let syncing = Syncing { unsaved: unclean, store: store.clone(), due, begun: clock::now(), running: None };
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
    due: Due,
    /// When the latest began.
    begun: SystemTime,
    running: Option<JoinHandle<bool>>,
}

/// When to. Pure.
#[derive(Debug)]
struct Due {
    /// Puts up to the latest look, and when there was a new one.
    puts: u64,
    latest: Instant,
    /// When there was the first one that may not be on the disk.
    first: Option<Instant>,
}

impl Due {
    /// Whether the time has come, with so many puts by now.
    fn has_come(&mut self, puts: u64, now: Instant) -> bool {
        if self.puts != puts {
            (self.puts, self.latest) = (puts, now);
            self.first.get_or_insert(now);
        }
        self.first.is_some_and(|first| now >= self.latest + QUIET || now >= first + LONGEST)
    }
}

impl Syncing {
    /// Whether the last daemon stopped in order.
    pub(crate) fn was_clean(&self) -> bool {
        !self.unsaved
    }

    /// Called at each turn of the loop, with the puts since the daemon's start.
    pub(crate) fn turn(&mut self, puts: u64) {
        let now = Instant::now();
        if let Some(done) = self.running.take_if(|running| running.is_finished())
            && !done.join().unwrap_or(false)
        {
            (self.due.first, self.due.latest) = (Some(now), now); // again, later
        }
        // After a clock was set back, `synced` would speak of what is yet to be put.
        let is_back = clock::now() < self.begun;
        if (self.due.has_come(puts, now) || is_back) && self.running.is_none() {
            self.running = self.start();
            if self.running.is_some() {
                (self.due.first, self.begun) = (None, clock::now());
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_synced_when_it_is_quiet_and_else_after_a_while() {
        let start = Instant::now();
        let mut due = Due { puts: 0, latest: start, first: None };
        let mut at = |puts, seconds| due.has_come(puts, start + Duration::from_secs(seconds));
        assert!(!at(0, 5000), "nothing was put");
        assert!(!at(7, 5001) && !at(7, 5060) && at(7, 5061));
        due.first = None; // done
        let mut at = |puts, seconds| due.has_come(puts, start + Duration::from_secs(seconds));
        assert!(!at(7, 9000), "nothing new");
        assert!((0..1200).all(|n| !at(8 + n, 9000 + n)), "a build that puts");
        assert!(at(2000, 10_200));
    }
}

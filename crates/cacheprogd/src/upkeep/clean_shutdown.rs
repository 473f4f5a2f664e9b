//! Whether the last daemon on this state directory stopped in order, and what may not have reached the disk if not.
//!
//! `clean` is there while no daemon runs that stopped in order. What is to be verified is the store's to keep (store: recovery.rs).

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use store::{Shutdown, Store, StoreError};

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

/// What brings the file system of an open directory to the disk: [`syncfs`], in a daemon.
pub(crate) type Sync = fn(&File) -> io::Result<()>;

/// syncfs(2).
pub(crate) fn syncfs(root: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(root)?)
}

/// Takes the mark of the last daemon away. Without one, what may be lost is to be verified.
pub(crate) fn take_over(store: Store, boot: &str, sync: Sync) -> Result<(Arc<Store>, Syncing), CommandError> {
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
    let shutdown = if unclean { Shutdown::Unclean } else { Shutdown::Clean };
    store.recovery().resume_after(shutdown, boot, clock::now());
    let store = Arc::new(store);
    let disk = Disk { root: Arc::new(File::open(&root).map_err(failed("opening", &root))?), sync };
    let due = Due { puts: 0, latest: Instant::now(), first: unclean.then(Instant::now) };
    let was_clean = !unclean;
    let syncing = Syncing { was_clean, store: store.clone(), disk, due, begun: clock::now(), running: None };
    if unclean {
        log::info!("the last daemon did not stop in order: what it wrote last is read before it is served");
        if let Err(e) = syncing.disk.sync(&store) {
            log::warn!("{}", chain(&e)); // no space, say: what is there is served all the same
        }
    }
    Ok((store, syncing))
}

/// Brings what was written to the disk, now and then, in a thread: it may take long.
#[derive(Debug)]
pub(crate) struct Syncing {
    store: Arc<Store>,
    disk: Disk,
    was_clean: bool,
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
        self.was_clean
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
    pub(crate) fn finish(mut self) {
        let until = Instant::now() + AT_END;
        // First the one that is under way: of an error the kernel tells one of two, and that one has to write it down.
        let is_over = self.running.take().is_none_or(|running| wait(&running, until));
        let is_last = |last: JoinHandle<bool>| wait(&last, until) && last.join().unwrap_or(false);
        if !is_over || !self.start().is_some_and(is_last) {
            log::warn!("the disk is slow or full: the next daemon reads what was written last before it serves it");
        } else if let Err(e) = self.store.write_file(&self.store.root().join("clean"), b"") {
            log::warn!("{}", chain(&e));
        }
    }

    fn start(&self) -> Option<JoinHandle<bool>> {
        let (store, disk) = (self.store.clone(), self.disk.clone());
        let work = move || disk.sync(&store).inspect_err(|e| log::warn!("{}", chain(e))).is_ok();
        thread::Builder::new().name("sync".to_owned()).spawn(work).ok()
    }
}

/// Whether it ends before this moment.
fn wait(running: &JoinHandle<bool>, until: Instant) -> bool {
    while !running.is_finished() && Instant::now() < until {
        thread::sleep(Duration::from_millis(2));
    }
    running.is_finished()
}

/// The disk on which the store is.
#[derive(Debug, Clone)]
struct Disk {
    /// One descriptor for the daemon's life: Linux tells each of them once of an error.
    root: Arc<File>,
    sync: Sync,
}

impl Disk {
    fn sync(&self, store: &Store) -> Result<(), StoreError> {
        store.counters().reload(); // should somebody else have counted
        if let Err(e) = store.counters().save() {
            log::warn!("{}", chain(&e)); // the next look at everything sets it right
        }
        store.recovery().sync(clock::now, || (self.sync)(&self.root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use proto::wire::Toolchain;
    use proto::{ActionId, Output, OutputId};
    use sha2::{Digest, Sha256};
    use store::{Access, Put, Replaces, View};

    /// Puts a body; returns its file.
    fn put(store: &Store, body: &[u8]) -> std::path::PathBuf {
        let output = Output { id: OutputId(Sha256::digest(body).into()), size: body.len() as u64 };
        let mut staged = store.stage(output, &mut &*body, &mut Vec::new()).unwrap();
        let view = View::common(&Toolchain::default());
        let (origin, time, replaces) = (view.origin(None, ""), clock::now(), Replaces::Nothing);
        let put = Put { action: ActionId(output.id.0), time, cost_ms: 0, origin: &origin, condition: None, replaces };
        store.put(&view, &put, &mut staged).unwrap();
        store.object(output).unwrap().unwrap()
    }

    /// Other bytes under the same times.
    fn lose(path: &Path, bytes: &[u8]) {
        let times = path.metadata().unwrap().modified().unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path, bytes).unwrap();
        File::open(path).unwrap().set_modified(times).unwrap();
    }

    #[test]
    fn after_a_failed_sync_the_next_daemon_reads_what_it_was_about_though_this_one_stopped_in_order() {
        static FAILED: AtomicBool = AtomicBool::new(false);
        let fails_once = |_: &File| if FAILED.swap(true, Relaxed) { Ok(()) } else { Err(ErrorKind::Other.into()) };
        let dir = tempfile::tempdir().unwrap();
        let start = |sync: Sync| {
            let store = Store::open(dir.path(), Access::Traversable).unwrap();
            take_over(store, "boot", sync).unwrap()
        };
        let (store, syncing) = start(fails_once);
        let path = put(&store, b"body");
        assert!(!syncing.start().unwrap().join().unwrap());
        syncing.finish();
        assert!(dir.path().join("clean").exists() && dir.path().join("synced").exists());
        lose(&path, b"none");
        let (store, syncing) = start(|_| Ok(()));
        assert!(syncing.was_clean());
        assert_eq!(store.object(Output { id: OutputId(Sha256::digest(b"body").into()), size: 4 }).unwrap(), None);
    }

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
        let (_store, mut syncing) =
            take_over(Store::open(dir.path(), Access::Traversable).unwrap(), "boot", slow).unwrap();
        syncing.running = syncing.start();
        while !UNDER_WAY.load(Relaxed) {
            thread::yield_now();
        }
        syncing.finish();
        assert!(dir.path().join("clean").exists() && !AT_ONCE.load(Relaxed));
    }

    #[test]
    fn where_the_first_sync_after_a_crash_fails_nothing_is_known_to_be_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let start = |sync: Sync| {
            let store = Store::open(dir.path(), Access::Traversable).unwrap();
            take_over(store, "boot", sync).unwrap()
        };
        let path = put(&start(|_| Ok(())).0, b"body"); // no finish
        let (_, syncing) = start(|_| Err(ErrorKind::Other.into()));
        syncing.finish();
        assert!(!dir.path().join("clean").exists());
        lose(&path, b"none");
        let (store, _) = start(|_| Ok(()));
        assert_eq!(store.object(Output { id: OutputId(Sha256::digest(b"body").into()), size: 4 }).unwrap(), None);
    }

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

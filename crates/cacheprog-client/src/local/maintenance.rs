//! What a store of this user's needs once a day, when cmd/go has its last answer: to be kept within its limits, and to be
//! known to be on the disk. Nobody waits for it: cmd/go waits for the end of our output, not for us (docs/facts/go.md, "What fails a go command").

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use store::{Access, Caps, Disk, Limits, Store, StoreError, Unwanted};

use crate::clock;
use crate::local::embedded_store::boot_id;
use crate::environment::{Environment, is_one_line};

/// How often.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// How long it may take, in all. A store of a million entries was seen to take a tenth of it on a busy machine.
const AT_MOST: Duration = Duration::from_secs(600);

/// Does it, if this is the day's first go command. Our output is closed by now.
pub(crate) fn tend(dir: &Path, environment: &Environment) {
    let mark = dir.join("tended");
    let last = mark.metadata().and_then(|m| m.modified()).ok();
    let age = last.and_then(|last| clock::now().duration_since(last).ok());
    if age.is_some_and(|age| age < INTERVAL) || !dir.is_dir() || !is_one_line(dir) {
        return; // done, or nothing was stored there
    }
    // There is nobody to tell. What went wrong is tried again tomorrow.
    let Ok(store) = Store::open(dir, Access::Owner) else { return };
    // Whoever writes the mark does it; a new store waits for its first day to end.
    if note(&store, &mark).is_ok() && last.is_some() && let_go().is_ok() {
        let _busy = setpriority_process(None, 19); // at the usual priority, then
        drop(work(store, &environment.caps, |root| Ok(rustix::fs::syncfs(root)?)));
    }
}

fn work(store: Store, caps: &Caps, sync: fn(&File) -> io::Result<()>) -> Result<(), StoreError> {
    let until = Instant::now() + AT_MOST;
    let limits = Disk::of(store.root()).map_or(Limits::default(), |disk| caps.limits(disk));
    let (store, doubts_saved) = store.doubting_since_boot(&boot_id(), clock::now());
    store.sweep(&limits, clock::now(), Unwanted::Remove, &mut || Instant::now() < until)?;
    doubts_saved?;
    store.sync(clock::now, || sync(&File::open(store.root())?))
}

/// Sets the mark's time; one that is there needs no room for that.
fn note(store: &Store, mark: &Path) -> Result<(), StoreError> {
    let noted = File::open(mark).and_then(|mark| mark.set_modified(clock::now()));
    noted.or_else(|_| store.write_file(mark, b""))
}

/// Lets go of what somebody may be waiting for the end of.
fn let_go() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use proto::wire::Toolchain;
    use proto::{ActionId, OutputId};
    use sha2::{Digest, Sha256};
    use store::{Put, Replaces, View};

    use super::*;

    #[test]
    fn what_a_failed_sync_was_about_is_read_back_whatever_the_next_one_says() {
        let dir = tempfile::tempdir().unwrap();
        let caps = Caps::default();
        let open = || Store::open(dir.path(), Access::Owner).unwrap();
        let store = open().doubting_since_boot(&boot_id(), clock::now()).0;
        let (body, output) = (b"body".as_slice(), OutputId(Sha256::digest(b"body").into()));
        let mut received = store.receive(output, 4, &mut &*body, &mut Vec::new()).unwrap();
        let view = View::common(&Toolchain::default());
        let (action, origin) = (ActionId([1; 32]), view.origin(None, ""));
        let (time, replaces) = (clock::now(), Replaces::Any);
        let put = Put { action, time, cost_ms: 0, origin: &origin, condition: None, replaces };
        store.publish(&view, &put, &mut received).unwrap();
        assert!(work(open(), &caps, |_| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert!(!dir.path().join("synced").exists());
        work(open(), &caps, |_| Ok(())).unwrap();
        assert!(dir.path().join("synced").exists());
        // The bytes that never reached the disk, under the times that did.
        let path = store.object(&output, 4).unwrap().unwrap();
        let times = path.metadata().unwrap().modified().unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, b"none").unwrap();
        File::open(&path).unwrap().set_modified(times).unwrap();
        let store = open().doubting_since_boot(&boot_id(), clock::now()).0;
        assert_eq!(store.object(&output, 4).unwrap(), None);
    }
}

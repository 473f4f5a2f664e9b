//! Maintains a store of this user once a day, after cmd/go has its last answer: evicts what exceeds the limits, and syncs the
//! rest to disk. No go command waits for it: cmd/go waits for the end of our output, not of this process (docs/facts/go.md,
//! "What fails a go command").

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use store::{Access, Disk, Limits, Mode, Store, StoreError, Targets};

use crate::clock;
use crate::environment::{Environment, is_one_line};

use super::local_store::boot_id;

/// How often a store is maintained.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// How long it may take. A store of a million entries took a tenth of this on a busy machine.
const MAX_TIME: Duration = Duration::from_secs(600);

/// Maintains the store if this is the first go command of the day. Our output is closed by now.
pub(crate) fn maintain_daily(dir: &Path, environment: &Environment) {
    let mark = dir.join("tended");
    let last = mark.metadata().and_then(|m| m.modified()).ok();
    let age = last.and_then(|last| clock::now().duration_since(last).ok());
    if age.is_some_and(|age| age < INTERVAL) || !dir.is_dir() || !is_one_line(dir) {
        return; // already done today, or nothing was stored there
    }
    // An error has no reader here. What failed is tried again tomorrow.
    let Ok(store) = Store::open(dir, Access::Owner) else { return };
    // The process that writes the mark does the work; a new store is maintained after its first day.
    if write_mark(&store, &mark).is_ok() && last.is_some() && close_stdio().is_ok() {
        let _failed = setpriority_process(None, 19); // it runs at the usual priority then
        drop(maintain(&store, &environment.store_limits, |root| Ok(rustix::fs::syncfs(root)?)));
    }
}

fn maintain(store: &Store, limits: &Limits, sync: fn(&File) -> io::Result<()>) -> Result<(), StoreError> {
    let until = Instant::now() + MAX_TIME;
    let targets = Disk::of(store.root()).map_or(Targets::default(), |disk| limits.targets(disk));
    let resumed = store.recovery().resume_since_boot(&boot_id(), clock::now());
    store.evictor().sweep(&targets, clock::now(), Mode::Apply, &mut || Instant::now() < until)?;
    resumed?;
    store.recovery().sync(clock::now, || sync(&File::open(store.root())?))
}

/// Sets the mark's time. This needs no disk space if the mark exists.
fn write_mark(store: &Store, mark: &Path) -> Result<(), StoreError> {
    let marked = File::open(mark).and_then(|mark| mark.set_modified(clock::now()));
    marked.or_else(|_| store.write_file(mark, b""))
}

/// Closes the standard streams, for whose end another process may wait.
fn close_stdio() -> io::Result<()> {
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
    use proto::{ActionId, Output, OutputId};
    use sha2::{Digest, Sha256};
    use store::{Put, Replaces, View};

    use super::*;

    #[test]
    fn objects_of_a_failed_sync_are_verified_even_if_the_next_sync_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let open = || Store::open(dir.path(), Access::Owner).unwrap();
        let store = open();
        store.recovery().resume_since_boot(&boot_id(), clock::now()).unwrap();
        let (body, output) = (b"body".as_slice(), Output { id: OutputId(Sha256::digest(b"body").into()), size: 4 });
        let mut staged = store.stage(output, &mut &*body, &mut Vec::new()).unwrap();
        let view = View::common(&Toolchain::default());
        let (action, origin) = (ActionId([1; 32]), view.origin(None, ""));
        let (time, replaces) = (clock::now(), Replaces::Any);
        let put = Put { action, time, cost_ms: 0, origin: &origin, condition: None, replaces };
        store.put(&view, &put, &mut staged).unwrap();
        assert!(maintain(&open(), &limits, |_| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert!(!dir.path().join("synced").exists());
        maintain(&open(), &limits, |_| Ok(())).unwrap();
        assert!(dir.path().join("synced").exists());
        // The bytes that never reached the disk, under the times that did.
        let path = store.object(output).unwrap().unwrap();
        let times = path.metadata().unwrap().modified().unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, b"none").unwrap();
        File::open(&path).unwrap().set_modified(times).unwrap();
        let store = open();
        store.recovery().resume_since_boot(&boot_id(), clock::now()).unwrap();
        assert_eq!(store.object(output).unwrap(), None);
    }
}

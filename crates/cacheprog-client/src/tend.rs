//! What a store of this user's needs once a day, when cmd/go has its last answer: to be kept within its limits, and to be
//! known to be on the disk. Nobody waits for it: cmd/go waits for the end of our output, not for us (FACTS-go.md section 7).

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use store::{Access, Disk, Store, StoreError, Unwanted};

use crate::clock;
use crate::environment::Environment;

/// How often.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// How long it may take, in all. A store of a million entries was seen to take a fourth of it.
const AT_MOST: Duration = Duration::from_secs(60);

/// Does it, if this is the day's first go command. Our output is closed by now.
pub(crate) fn tend(dir: &Path, environment: &Environment) {
    if is_due(dir) != Some(true) || let_go().is_err() {
        return;
    }
    let _busy = setpriority_process(None, 19); // at the usual priority, then
    // There is nobody to tell. What went wrong is tried again tomorrow.
    drop(work(dir, environment));
}

fn work(dir: &Path, environment: &Environment) -> Result<(), StoreError> {
    let until = Instant::now() + AT_MOST;
    let store = Store::open(dir, Access::Owner)?;
    let disk = rustix::fs::statvfs(dir).map(|s| Disk { size: s.f_blocks * s.f_frsize, free: s.f_bavail * s.f_frsize });
    let limits = disk.map_or(store::Limits::default(), |disk| environment.caps.limits(disk));
    store.sweep(&limits, clock::now(), Unwanted::Remove, &mut || Instant::now() < until)?;
    store.sync(clock::now())
}

/// Whether nobody did it within a day; whoever is told so does it. A new store waits for its first day to end.
fn is_due(dir: &Path) -> Option<bool> {
    let mark = dir.join("tended");
    let last = mark.metadata().and_then(|m| m.modified()).ok();
    let is_due = match last.map(|last| clock::now().duration_since(last)) {
        Some(Ok(age)) if age < INTERVAL => return Some(false),
        last => last.is_some(),
    };
    File::create(&mark).and_then(|file| file.set_modified(clock::now())).ok()?;
    Some(is_due)
}

/// Lets go of what somebody may be waiting for the end of.
fn let_go() -> std::io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

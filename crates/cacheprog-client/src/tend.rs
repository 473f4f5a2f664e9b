//! What a store of this user's needs once a day, when cmd/go has its last answer: to be kept within its limits, and to be
//! known to be on the disk. Nobody waits for it: cmd/go waits for the end of our output, not for us (FACTS-go.md section 7).

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use store::{Access, Disk, Limits, Store, StoreError, Unwanted};

use crate::clock;
use crate::embedded::boot_id;
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
    if store.write_file(&mark, b"").is_ok() && last.is_some() && let_go().is_ok() {
        let _busy = setpriority_process(None, 19); // at the usual priority, then
        drop(work(store, environment));
    }
}

fn work(store: Store, environment: &Environment) -> Result<(), StoreError> {
    let until = Instant::now() + AT_MOST;
    let limits = Disk::of(store.root()).map_or(Limits::default(), |disk| environment.caps.limits(disk));
    let (store, doubts_saved) = store.doubting_since_boot(&boot_id(), clock::now());
    store.sweep(&limits, clock::now(), Unwanted::Remove, &mut || Instant::now() < until)?;
    doubts_saved?;
    store.sync(clock::now())
}

/// Lets go of what somebody may be waiting for the end of.
fn let_go() -> std::io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

//! One eviction, as a process of its own that the daemon starts: the memory that a scan of a million entries takes goes back to the
//! system. evictor.rs starts it and reads what it prints; `cacheprogctl gc` does the same for people.

use std::io::Write;

use nix::sys::signal::SigSet;
use rustix::process::setpriority_process;
use settings::{Settings, StateDir};
use store::{Disk, Mode};

use crate::clock;
use crate::error::CommandError;

/// Which store, and its limits.
#[derive(Debug, clap::Args)]
pub(crate) struct Evict {
    #[command(flatten)]
    store: StateDir,
    #[command(flatten)]
    settings: Settings,
}

/// Scans, plans, removes, and prints the result as JSON.
///
/// # Errors
/// Where there is no store, the limits cannot be kept on this disk, the store cannot be scanned, or something could not be removed.
pub(crate) fn run(args: &Evict) -> Result<(), CommandError> {
    // The daemon, which started this, has blocked signals.
    SigSet::all().thread_unblock().map_err(|e| CommandError::System("unblocking signals", e.into()))?;
    // Builds come first. If the system refuses, the work is done at the usual priority.
    let _refused = setpriority_process(None, 19);
    let limits = args.settings.limits();
    let store = args.store.open(Mode::Apply)?;
    let disk = Disk::of(store.root()).map_err(|e| CommandError::System("asking for the free space", e))?;
    limits.check(disk).map_err(CommandError::Limits)?;
    let swept =
        store.evictor().sweep(&limits.targets(disk), clock::now(), Mode::Apply, &mut || true)?.unwrap_or_default();
    let json = serde_json::to_vec(&swept).map_err(|e| CommandError::Output(e.into()))?;
    // Without the flush what fails at the end of the process would be lost.
    let mut out = std::io::stdout();
    out.write_all(&json).and_then(|()| out.flush()).map_err(CommandError::Output)?;
    // What the daemon reads is out by now. The failure is for the log: standard error leads there.
    swept
        .errors
        .first()
        .map_or(Ok(()), |first| Err(CommandError::NotEvicted { path: store.root().to_owned(), first: first.clone() }))
}

//! `cacheprogctl gc`: brings a store within its limits, while a daemon runs or without one. The daemon does the same by itself
//! (cacheprogd: `maintenance/evict_process.rs`).

use std::fmt::Write;

use proto::figures::bytes;
use rustix::process::setpriority_process;
use settings::{AnyStore, LimitOptions, own_limits};
use store::{Disk, Limits, Mode, Reason, Swept, Targets};

use crate::clock;
use crate::error::CommandError;
use crate::terminal::{Progress, print, print_json};

/// What to keep, and of which store.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: AnyStore,
    #[command(flatten)]
    limits: LimitOptions,
    /// Print what would be removed and why, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Scans, plans and removes.
///
/// # Errors
/// Where the settings cannot be used, there is no store, or an entry could not be read or removed.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    // Builds come first. If the system refuses, the work is done at the usual priority.
    let _refused = setpriority_process(None, 19);
    let limits =
        if args.store.is_own() { args.limits.limits_or(own_limits()?)? } else { args.limits.settings()?.limits() };
    let dir = args.store.dir()?;
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Apply };
    let store = args.store.open(mode)?;
    let disk = Disk::of(store.root()).map_err(|e| CommandError::System("asking for the free space", e))?;
    limits.check(disk).map_err(CommandError::Limits)?;
    let (mut progress, mut steps) = (Progress::new("steps", 0), 0);
    let mut go_on = || {
        steps += 1;
        progress.at(steps);
        true
    };
    let swept = store.evictor().sweep(&limits.targets(disk), clock::now(), mode, &mut go_on)?.unwrap_or_default();
    drop(progress);
    if args.json {
        print_json(&swept)?;
    } else {
        print(&report(&dir.display().to_string(), (&swept, mode), &limits, disk))?;
    }
    if swept.errors.is_empty() { Ok(()) } else { Err(CommandError::NotRemoved { path: dir }) }
}

fn report(dir: &str, (swept, mode): (&Swept, Mode), limits: &Limits, disk: Disk) -> String {
    let Targets { max_size, max_age, .. } = limits.targets(disk);
    let age = max_age.map_or(String::new(), |age| humantime::format_duration(age).to_string());
    let count = |totals: &store::Totals| {
        format!("{} entries, {} objects, {}", totals.entries, totals.objects, bytes(totals.bytes))
    };
    let most = max_size.map_or(String::new(), |most| format!(" of at most {}", bytes(most)));
    let free = limits.min_free(disk);
    let mut text = format!(
        "{dir}: {}{most}\n{} free on the disk, at least {} must stay free\n",
        count(&swept.before),
        bytes(disk.free),
        bytes(free)
    );
    if disk.inodes > 0 {
        let (free, floor) = (disk.free_inodes, limits.min_free_inodes(disk));
        text += &format!("{free} inodes free, at least {floor} must stay free\n");
    }
    let does = if mode == Mode::DryRun { "would remove" } else { "removed" };
    for (reason, removed) in &swept.gone {
        let why = match reason {
            Reason::Unnamed => "objects that no entry names".to_owned(),
            Reason::Unfinished => "temporary files of killed writers".to_owned(),
            Reason::Broken => "damaged entries and entries without their object".to_owned(),
            Reason::Age => format!("unused for more than {age}"),
            Reason::Size => "least recently used, as the store is larger than its limit".to_owned(),
            Reason::Space => {
                "least recently used, as the disk has too little free space or too few free inodes".to_owned()
            }
        };
        let (entries, objects, size) = (removed.entries, removed.objects, bytes(removed.bytes));
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{does}: {entries} entries, {objects} objects, {size}: {why}");
    }
    if swept.gone.is_empty() {
        text += "nothing to remove\n";
    }
    if swept.spared > 0 {
        let _infallible = writeln!(text, "{} entries were used meanwhile and are kept", swept.spared);
    }
    let _infallible = writeln!(text, "left: {}", count(&swept.left));
    swept.errors.iter().for_each(|error| text += &format!("{error}\n"));
    text
}

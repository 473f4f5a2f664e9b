//! `cacheprogctl verify`: reads everything in a store, while a daemon runs or without one.

use std::path::Path;

use settings::AnyStore;
use store::{Mode, Verified};

use crate::error::CommandError;
use crate::terminal::{Progress, print, print_json};

/// Which store.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: AnyStore,
    /// Remove damaged entries. A build that needs one compiles it again.
    #[arg(long)]
    repair: bool,
    /// Print the findings as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Reads everything.
///
/// # Errors
/// Where there is no store, it cannot be read, or it has damage that is not repaired.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let dir = &args.store.dir()?;
    let mode = if args.repair { Mode::Apply } else { Mode::DryRun };
    let store = args.store.open(mode)?;
    store.counters().reload();
    let totals = store.counters().totals();
    let mut progress = Progress::new("objects and records", totals.objects + totals.entries);
    let found = store.verify(mode, &mut |seen| progress.at(seen))?;
    drop(progress);
    if args.json {
        print_json(&found)?;
    } else {
        print(&report(dir, &found, args.repair))?;
    }
    if found.is_whole() || (args.repair && found.errors.is_empty()) {
        Ok(())
    } else {
        Err(CommandError::Damaged { path: dir.clone() })
    }
}

fn report(dir: &Path, found: &Verified, repaired: bool) -> String {
    let mut text = format!(
        "{}: {} entries with {} outputs, and {} objects ({} bytes), are intact\n",
        dir.display(),
        found.entries,
        found.outputs,
        found.objects,
        found.bytes
    );
    let done = if repaired { "removed" } else { "remove with --repair" };
    for (number, one, several) in [
        (found.damaged_objects, "damaged object", "damaged objects"),
        (found.damaged_records, "damaged record", "damaged records"),
        (
            found.lost_outputs,
            "output of an entry without an intact object",
            "outputs of entries without an intact object",
        ),
    ] {
        if number > 0 {
            text += &format!("{number} {}: {done}\n", if number == 1 { one } else { several });
        }
    }
    found.damaged_files.iter().for_each(|file| text += &format!("damaged: {file}\n"));
    if found.foreign > 0 {
        text += &format!("{} unknown files: left alone\n", found.foreign);
    }
    found.errors.iter().for_each(|error| text += &format!("{error}\n"));
    text
}

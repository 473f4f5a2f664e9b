//! `cacheprogd verify`: reads everything in a store, with or without a daemon beside it.

use std::path::Path;

use store::{Unwanted, Verified};

use crate::client;
use crate::error::CommandError;
use crate::progress::Progress;
use crate::state::StateDir;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    store: StateDir,
    /// Remove what is damaged. It is built once more when it is asked for.
    #[arg(long)]
    repair: bool,
    /// What was found as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Reads everything.
///
/// # Errors
/// Where there is no store, it cannot be read, or something in it is damaged and stays.
pub(crate) fn run(args: &Verify) -> Result<(), CommandError> {
    let dir = &args.store.state_dir;
    let damage = if args.repair { Unwanted::Remove } else { Unwanted::Leave };
    let store = args.store.open(damage)?;
    store.read_counts();
    let census = store.census();
    let mut progress = Progress::new("objects and records", census.objects + census.entries);
    let found = store.verify_and_tell(damage, &mut |seen| progress.at(seen))?;
    drop(progress);
    let text = if args.json {
        serde_json::to_string_pretty(&found).map_err(|e| CommandError::Output(e.into()))? + "\n"
    } else {
        report(dir, &found, args.repair)
    };
    client::print(&text)?;
    if found.is_whole() || (args.repair && found.errors.is_empty()) {
        Ok(())
    } else {
        Err(CommandError::Damaged { path: dir.clone() })
    }
}

fn report(dir: &Path, found: &Verified, repaired: bool) -> String {
    let mut text = format!(
        "{}: {} entries and {} objects ({} bytes) are whole\n",
        dir.display(),
        found.entries,
        found.objects,
        found.bytes
    );
    let done = if repaired { "removed" } else { "remove with --repair" };
    for (number, what) in [
        (found.damaged_objects, "damaged objects"),
        (found.damaged_records, "damaged records"),
        (found.lost_outputs, "records of lost objects"),
    ] {
        if number > 0 {
            text += &format!("{number} {what}: {done}\n");
        }
    }
    if found.foreign > 0 {
        text += &format!("{} foreign files: left alone\n", found.foreign);
    }
    found.errors.iter().for_each(|error| text += &format!("{error}\n"));
    text
}

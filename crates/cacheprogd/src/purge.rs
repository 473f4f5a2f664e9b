//! `cacheprogd purge`: removes what somebody points at from a store, with or without a daemon beside it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proto::BuildId;
use proto::control::BuildStatus;
use proto::figures::bytes;
use store::{Purged, Unwanted, Which};

use crate::build::{self, Saved};
use crate::error::CommandError;
use crate::progress::Progress;
use crate::state::StateDir;
use crate::{client, clock, names};

/// What is to go, and from which store.
#[derive(Debug, clap::Args)]
pub(crate) struct Purge {
    #[command(flatten)]
    which: Args,
    #[command(flatten)]
    store: StateDir,
    /// Say what would go, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Go on without this, `--all` removes nothing: it throws away what every build of the machine has made.
    #[arg(long)]
    yes: bool,
    /// What was done as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Args {
    /// What this build put: its id as `cacheprogd builds` shows it or as records have it, or a derivation's name, for all of its
    /// builds that are remembered.
    #[arg(long, value_name = "BUILD")]
    written_by: Option<String>,
    /// What was put last before so long: 30d, 12h.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Everything.
    #[arg(long)]
    all: bool,
}

/// Removes.
///
/// # Errors
/// Where there is no store or no such build, or something could not be looked at or removed.
pub(crate) fn run(args: &Purge) -> Result<(), CommandError> {
    let is_sure = args.yes || !args.which.all;
    let what = if args.dry_run || !is_sure { Unwanted::Leave } else { Unwanted::Remove };
    let store = args.store.open(what)?;
    let which = match (&args.which.written_by, args.which.older_than) {
        (Some(build), _) => Which::WrittenBy(written_by(store.root(), build)?),
        (None, Some(age)) => Which::Before(clock::now().checked_sub(age).unwrap_or(std::time::UNIX_EPOCH)),
        (None, None) if is_sure || args.dry_run => Which::All,
        (None, None) => return Err(CommandError::NotSure),
    };
    store.read_counts();
    let mut progress = Progress::new("entries", store.census().entries);
    let purged = store.purge(&which, clock::now(), what, &mut |seen| progress.at(seen))?;
    drop(progress);
    if args.json {
        client::print_json(&purged)?;
    } else {
        client::print(&report(&purged, what))?;
    }
    if purged.errors.is_empty() { Ok(()) } else { Err(CommandError::Unswept { path: args.store.state_dir.clone() }) }
}

fn report(purged: &Purged, what: Unwanted) -> String {
    let does = if what == Unwanted::Leave { "would go" } else { "gone" };
    let mut text = format!(
        "{does}: {} of {} entries, {} objects, {}\n",
        purged.entries,
        purged.seen,
        purged.objects,
        bytes(purged.bytes)
    );
    purged.errors.iter().for_each(|error| text += &format!("{error}\n"));
    text
}

/// The builds that are meant, from what the state directory remembers.
fn written_by(root: &Path, wanted: &str) -> Result<Vec<BuildId>, CommandError> {
    if let Ok(id) = wanted.parse() {
        return Ok(vec![id]); // as a record has it, remembered or not
    }
    let known = known(root);
    let is_it = |build: &&BuildStatus| build.short == wanted || build.name == wanted;
    let ids: Vec<BuildId> = known.iter().filter(is_it).filter_map(|build| build.id.parse().ok()).collect();
    if ids.is_empty() {
        let nearest = names::nearest(wanted, known.iter().map(|build| build.name.as_str()));
        return Err(CommandError::NoBuild { wanted: wanted.to_owned(), nearest });
    }
    Ok(ids)
}

fn known(root: &Path) -> Vec<BuildStatus> {
    let history = fs::read(root.join("history.json")).ok();
    let mut known: Vec<BuildStatus> = history.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    for entry in fs::read_dir(root.join("builds")).into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse::<BuildId>().ok());
        let saved = fs::read(entry.path().join("build.json")).ok();
        let saved = saved.and_then(|json| serde_json::from_slice::<Saved>(&json).ok());
        if let (Some(id), Some(saved)) = (id, saved) {
            let (short, name) = (build::short(&id), saved.name);
            known.push(BuildStatus { id: id.to_string(), short, name, ..BuildStatus::default() });
        }
    }
    known
}

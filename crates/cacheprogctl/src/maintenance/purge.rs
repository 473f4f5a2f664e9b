//! `cacheprogctl purge`: removes chosen entries from a store, while a daemon runs or without one.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proto::BuildId;
use proto::control::BuildStatus;
use proto::figures::bytes;
use serde::Deserialize;
use settings::{Accounts, AnyStore};
use store::{Mode, PurgeFilter, Purged};

use crate::ask::nearest_names;
use crate::clock;
use crate::error::CommandError;
use crate::terminal::{Progress, print, print_json};

/// What to remove, and from which store.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Selection,
    #[command(flatten)]
    store: AnyStore,
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Confirm `--all`.
    ///
    /// It removes what every build of the machine has stored, or with --store all of that store. Without this it removes nothing.
    #[arg(long)]
    yes: bool,
    /// Print the result as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Selection {
    /// What this build put.
    ///
    /// Its id as `cacheprogctl builds` shows it or as records have it, or a derivation's name, for all of its builds in the history.
    #[arg(long, value_name = "BUILD")]
    written_by: Option<String>,
    /// What was copied from the layers of the settings. It comes back from those that are still there.
    #[arg(long)]
    of_layers: bool,
    /// What is for builds of this user alone, who is no writer: a name in /etc/passwd, or a number.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Entries that were last put longer ago than this: 30d, 12h.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// What is in quarantine, since builds computed different outputs: the next one is shared again.
    #[arg(long)]
    quarantined: bool,
    /// All entries.
    #[arg(long)]
    all: bool,
}

/// Removes.
///
/// # Errors
/// Where there is no store or no such build, or an entry could not be read or removed.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let is_confirmed = args.yes || !args.which.all;
    let mode = if args.dry_run || !is_confirmed { Mode::DryRun } else { Mode::Apply };
    let store = args.store.open(mode)?;
    let filter = match &args.which {
        Selection { written_by: Some(build), .. } => PurgeFilter::WrittenBy(written_by(store.root(), build)?),
        Selection { of_layers: true, .. } => PurgeFilter::OfLayers,
        Selection { user: Some(user), .. } => PurgeFilter::User(uid(user)?),
        Selection { older_than: Some(age), .. } => {
            PurgeFilter::Before(clock::now().checked_sub(*age).unwrap_or(std::time::UNIX_EPOCH))
        }
        Selection { quarantined: true, .. } => PurgeFilter::Quarantined,
        _ if is_confirmed || args.dry_run => PurgeFilter::All,
        _ => return Err(CommandError::NotConfirmed),
    };
    store.counters().reload();
    let mut progress = Progress::new("entries", store.counters().totals().entries);
    let purged = store.evictor().purge(&filter, clock::now(), mode, &mut |seen| progress.at(seen))?;
    drop(progress);
    if args.json {
        print_json(&purged)?;
    } else {
        print(&report(&purged, mode))?;
    }
    if purged.errors.is_empty() { Ok(()) } else { Err(CommandError::NotRemoved { path: args.store.dir()? }) }
}

fn report(purged: &Purged, mode: Mode) -> String {
    let does = if mode == Mode::DryRun { "would remove" } else { "removed" };
    let mut text = format!(
        "{does}: {} of {} entries, {} objects, {}\n",
        purged.entries,
        purged.seen,
        purged.objects,
        bytes(purged.bytes)
    );
    if !purged.given_to.is_empty() {
        text += &format!("live builds that were given some of it, and end with it: {}\n", purged.given_to.join(", "));
    }
    purged.errors.iter().for_each(|error| text += &format!("{error}\n"));
    text
}

/// The number of a user. This program is static, so that it knows the users of /etc/passwd alone.
fn uid(wanted: &str) -> Result<u32, CommandError> {
    let known = || Accounts::read().uid(wanted);
    wanted.parse().ok().or_else(known).ok_or_else(|| CommandError::NoUser { wanted: wanted.to_owned() })
}

/// The ids of the builds that are meant, by what the state directory has of them.
fn written_by(root: &Path, wanted: &str) -> Result<Vec<BuildId>, CommandError> {
    if let Ok(id) = wanted.parse() {
        return Ok(vec![id]); // a whole id, in the history or not
    }
    let known = known(root);
    let is_it = |build: &&BuildStatus| build.short == wanted || build.name == wanted;
    let ids: Vec<BuildId> = known.iter().filter(is_it).filter_map(|build| build.id.parse().ok()).collect();
    if ids.is_empty() {
        let nearest = nearest_names(wanted, known.iter().map(|build| build.name.as_str()));
        return Err(CommandError::NoBuild { wanted: wanted.to_owned(), nearest });
    }
    Ok(ids)
}

/// What is needed of a live build's `build.json` (cacheprogd writes it).
#[derive(Debug, Deserialize)]
struct LiveBuild {
    name: String,
}

/// The builds of the history and the live ones.
fn known(root: &Path) -> Vec<BuildStatus> {
    let history = fs::read(root.join("history.json")).ok();
    let mut known: Vec<BuildStatus> = history.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    for entry in fs::read_dir(root.join("builds")).into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse::<BuildId>().ok());
        let saved = fs::read(entry.path().join("build.json")).ok();
        let saved = saved.and_then(|json| serde_json::from_slice::<LiveBuild>(&json).ok());
        if let (Some(id), Some(saved)) = (id, saved) {
            let (short, name) = (id.short(), saved.name);
            known.push(BuildStatus { id: id.to_string(), short, name, ..BuildStatus::default() });
        }
    }
    known
}

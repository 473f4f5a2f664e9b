//! `cacheprogd builds`.

use proto::control::BuildStatus;

use crate::client::{self, Sockets};
use crate::error::CommandError;
use crate::{clock, names, report, screen};

/// Builds shown unless more are asked for.
const MOST: usize = 20;

/// Which builds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Builds of this name alone, with or without the version.
    name: Option<String>,
    /// How many at most.
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = MOST)]
    most: usize,
    /// The builds as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sockets: Sockets,
}

/// Asks and prints.
///
/// # Errors
/// Where no daemon answers, or it knows no such build.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let mut builds = client::builds(&args.sockets)?;
    if let Some(name) = &args.name {
        let is_it = |build: &BuildStatus| {
            build.name == *name || names::without_version(&build.name) == name || build.short == *name
        };
        if !builds.live.iter().chain(&builds.ended).any(is_it) {
            names::find(&builds, name)?; // says the nearest names
        }
        builds.live.retain(is_it);
        builds.ended.retain(is_it);
    }
    builds.live.truncate(args.most);
    builds.ended.truncate(args.most.saturating_sub(builds.live.len()));
    if args.json {
        client::print_json(&builds)
    } else {
        client::print(&report::builds(&builds, clock::unix(clock::now()), screen::look()))
    }
}

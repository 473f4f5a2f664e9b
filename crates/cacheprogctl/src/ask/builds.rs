//! `cacheprogctl builds`: the latest builds.

use super::connection::{self, Sockets};
use super::{build_selector, report};
use crate::clock;
use crate::error::CommandError;
use crate::terminal::{print, print_json, stdout_style};

/// How many builds are shown by default.
const MOST: usize = 20;

/// Which builds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the build of this id or its first letters, or builds of this name, with or without its version.
    name: Option<String>,
    /// The largest number of builds.
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = MOST)]
    most: usize,
    /// Print the builds as one JSON object (docs/reference/cli.md has the schema).
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
    let mut builds = connection::builds(&args.sockets)?;
    if let Some(name) = &args.name {
        let wanted: Vec<_> = build_selector::matching(&builds, name)?.iter().map(|build| build.short.clone()).collect();
        builds.live.retain(|build| wanted.contains(&build.short));
        builds.ended.retain(|build| wanted.contains(&build.short));
    }
    builds.live.truncate(args.most);
    builds.ended.truncate(args.most.saturating_sub(builds.live.len()));
    if args.json { print_json(&builds) } else { print(&report::builds(&builds, clock::unix_now(), stdout_style())) }
}

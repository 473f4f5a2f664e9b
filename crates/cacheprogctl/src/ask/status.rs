//! `cacheprogctl status`: what the daemon has and does.

use super::connection::{self, Sockets};
use super::report;
use crate::clock;
use crate::error::CommandError;
use crate::terminal::{print, print_json, stdout_style};

/// Of which daemon, and in which form.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) own: settings::OwnStore,
    /// Print the whole status as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    sockets: Sockets,
}

/// Asks and prints.
///
/// # Errors
/// Where no daemon answers.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let status = connection::status(&args.sockets)?;
    if args.json { print_json(&status) } else { print(&report::status(&status, clock::unix_now(), stdout_style())) }
}

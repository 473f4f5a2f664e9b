//! `cacheprogd status`.

use crate::client::{self, Sockets};
use crate::error::CommandError;
use crate::{clock, report, screen};

/// How to say it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The whole status as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sockets: Sockets,
}

/// Asks and prints.
///
/// # Errors
/// Where no daemon answers.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let status = client::status(&args.sockets)?;
    if args.json {
        client::print_json(&status)
    } else {
        client::print(&report::status(&status, clock::unix(clock::now()), screen::look()))
    }
}

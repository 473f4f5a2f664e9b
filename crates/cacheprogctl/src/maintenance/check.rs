//! `cacheprogctl check`: prints what is wrong with a settings file before a daemon is started with it. NixOS runs it when it builds a
//! system.

use std::path::PathBuf;

use crate::error::CommandError;
use crate::terminal::print;

/// Which file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The settings file.
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

/// Reads it, with the parser of the daemon.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    settings::read(Some(&args.path))?;
    print(&format!("{}: valid\n", args.path.display()))
}

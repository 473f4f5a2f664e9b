//! `cacheprogd check`: says what is wrong with a settings file, before a daemon is given it. NixOS does so when it builds a
//! system.

use std::path::PathBuf;

use crate::error::CommandError;
use crate::gc::read_settings;

/// Which file.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The settings.
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

/// Reads it.
///
/// # Errors
/// What is wrong.
pub(crate) fn run(args: &Check) -> Result<(), CommandError> {
    read_settings(Some(&args.path)).map(drop)
}

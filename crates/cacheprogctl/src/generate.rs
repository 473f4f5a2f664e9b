//! `cacheprogctl generate`: writes completions and man pages, for those who make a package.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::{Shell, generate_to};

use crate::error::CommandError;

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A directory. It is made where it is missing.
    dir: PathBuf,
}

/// Writes them for a command line.
///
/// # Errors
/// Where they cannot be written.
pub(crate) fn run(args: &Args, command: &Command) -> Result<(), CommandError> {
    write(&args.dir, command).map_err(CommandError::Output)
}

pub(crate) fn write(dir: &Path, command: &Command) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command.clone(), "cacheprogctl", dir)?;
    }
    clap_mangen::generate_to(command.clone(), dir)
}

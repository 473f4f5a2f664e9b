//! `cacheprogctl remote`: runs cacheprog-remote, the program with network and credentials, in the place of this one.

use std::env::current_exe;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::error::CommandError;

/// The program with network and credentials.
const PROGRAM: &str = "cacheprog-remote";

/// What it is called in its help and errors.
const NAME: &str = "cacheprogctl remote";

/// What it is given.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A command of cacheprog-remote and its options; `cacheprogctl remote --help` lists them.
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Runs the one beside this program, or the one in PATH; it comes back only where neither can be run.
///
/// # Errors
/// Where there is none.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let beside = current_exe().ok().map(|program| program.with_file_name(PROGRAM)).filter(|program| program.exists());
    let program = beside.map_or_else(|| OsString::from(PROGRAM), PathBuf::into_os_string);
    Err(CommandError::NoRemoteProgram(Command::new(program).arg0(NAME).args(&args.args).exec()))
}

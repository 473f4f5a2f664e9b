//! `cacheprog-client`: the `GOCACHEPROG` program. Parse, run, exit code; no more here.

use std::io::IsTerminal;
use std::process::ExitCode;

use cacheprog_client::args::{Command, UsageError};

fn main() -> ExitCode {
    match cacheprog_client::args::parse(std::env::args_os().skip(1)) {
        // A go command has a pipe there.
        Ok(Command::Serve { .. }) if std::io::stdin().is_terminal() => cacheprog_client::usage(&UsageError::Terminal),
        Ok(command) => cacheprog_client::run(&command),
        Err(error) => cacheprog_client::usage(&error),
    }
}

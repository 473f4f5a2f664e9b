//! `cacheprog-client`: the `GOCACHEPROG` program. Parse, run, exit code; no more here.

use std::process::ExitCode;

fn main() -> ExitCode {
    match cacheprog_client::args::parse(std::env::args_os().skip(1)) {
        Ok(command) => cacheprog_client::run(&command),
        Err(error) => cacheprog_client::usage(&error),
    }
}

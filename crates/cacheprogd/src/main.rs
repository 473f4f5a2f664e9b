//! `cacheprogd`: the host's daemon.
//!
//! Parse, logger, run, exit code; no more here.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = cacheprogd::cli::Args::read();
    settings::start_log();
    match args.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{}", proto::error::with_causes(&error));
            error.drawing().for_each(|line| log::error!("{line}"));
            error.exit_code()
        }
    }
}

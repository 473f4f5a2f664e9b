//! `cacheprogd`: the host's daemon, and the command line to look at it. Parse, logger, run, exit code; no more here.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = cacheprogd::cli::Args::parse();
    // The journal adds the time; RUST_LOG chooses the level.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format(cacheprogd::cli::log_line)
        .init();
    match args.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{}", cacheprogd::error::chain(&error));
            error.exit_code()
        }
    }
}

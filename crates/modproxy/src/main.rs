//! `modproxy`: a Go module proxy that downloads each module once a machine. Parse, logger, run, exit code; no more here.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = modproxy::cli::Args::parse();
    // In a build standard error is the build's log: what a user must know, and no more.
    let level = if modproxy::settings::is_verbose() { "modproxy=info" } else { "modproxy=warn" };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .format(modproxy::cli::log_line)
        .init();
    match args.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::log!(args.level_of_errors(), "{error}");
            ExitCode::FAILURE
        }
    }
}

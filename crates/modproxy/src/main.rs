//! `modproxy`: a Go module proxy that downloads each module once per machine. It parses the command line, sets the logger up,
//! runs the command and returns the exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = modproxy::cli::Args::parse();
    // In a build standard error is the build's log, so only warnings go there by default.
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

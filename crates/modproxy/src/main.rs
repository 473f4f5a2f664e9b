//! `modproxy`: a Go module proxy that downloads each module once per machine. It parses the command line, sets the logger up,
//! runs the command and returns the exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = modproxy::cli::Args::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(args.log_filter()))
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

//! `cacheprog-remote`: the one program with network and credentials. It parses the command line, sets the logger up, runs the command and
//! returns the exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = cacheprog_remote::cli::Args::parse();
    env_logger::Builder::from_env(
        env_logger::Env::default().default_filter_or("cacheprog_remote=warn,remote_sync=warn"),
    )
    .format(cacheprog_remote::cli::log_line)
    .init();
    match args.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{}", proto::error::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

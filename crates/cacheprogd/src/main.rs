//! `cacheprogd`: the host's daemon.
//!
//! Parse, logger, run, exit code; no more here.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = cacheprogd::cli::Args::read();
    // The journal adds the time; RUST_LOG chooses the level.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format(settings::log_line)
        .init();
    match args.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{}", proto::error::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

//! The program that cmd/go starts. In a sandbox it talks to the daemon; without one it is a complete cache program.
//!
//! - gocmd/: the side of the go command. serve.rs reads requests, responder.rs answers them.
//! - daemon/: the daemon as the cache. put.rs is the way of a put, `in_flight.rs` what waits for a reply, fallback.rs what happens
//!   without a daemon.
//! - local/: stores in directories of the user: the embedded store, and the spool.
//! - sharing/: who else may use what is put. condition/: what Go's keys leave out. `test_results/`: a test's result for the same
//!   test in another build.
//! - `setup_hook/`: the commands that the setup hook of a build evaluates. `host_session.rs`: the same outside of sandboxes.
//! - `read_your_writes.rs`: a process finds what it put. `put_body.rs`: a body until its put is answered. `select_cache.rs`: which
//!   of the two caches serves.
//! - environment.rs reads the environment, `go_command.rs` takes from it what sharing depends on, clock.rs the clock, `parent_process.rs` the go command, sandbox.rs the mounts.
//!
//! The rule to keep: whatever happens, each request is answered once, a get never with an error and a put always with a path
//! (docs/facts/go.md, "Rules for a cache program"). Otherwise cmd/go ends the build.

pub mod args;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod clock;
mod condition;
mod daemon;
mod digest;
mod environment;
mod fault;
mod go_command;
mod gocmd;
mod host_session;
mod local;
mod mutex;
mod parent_process;
mod put_body;
mod read_your_writes;
mod sandbox;
mod select_cache;
mod setup_hook;
mod sharing;
mod test_context;
mod test_results;

use std::ffi::OsStr;
use std::io::Write;
use std::process::ExitCode;

use args::{Command, UsageError};
use environment::Environment;
use gocmd::stdio;
use select_cache::Stores;
use setup_hook::{exports, summary};

/// Does what the command line says.
#[must_use]
pub fn run(command: &Command) -> ExitCode {
    let read = Environment::read();
    let is_server = matches!(command, Command::Serve { .. });
    let environment = if is_server { read.with_toolchain_content() } else { read };
    let serve = |stores: Stores<'_>| match stdio::take_stdout() {
        Ok(output) => select_cache::run(output, stores, &environment).map_err(|e| e.to_string()),
        Err(e) => Err(format!("cannot take standard output: {e}")),
    };
    let done = match command {
        Command::Serve { store, lower, remote } => {
            serve(Stores { store: store.as_deref(), lower, remote: remote.as_deref() })
        }
        Command::Env { phase } => return env(phase.as_deref(), &environment),
        Command::Condition { scope } => return condition(scope, &environment),
        Command::Help => return print(args::HELP, true),
        Command::Version => return print(concat!("cacheprog-client ", env!("CARGO_PKG_VERSION"), "\n"), true),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            environment.log(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints what is wrong with the command line: to a person with the whole help, in the output of a go command in a line.
#[must_use]
pub fn usage(error: &UsageError) -> ExitCode {
    let help = if *error == UsageError::Terminal { args::HELP } else { "cacheprog-client --help lists its options" };
    // If standard error is closed, nothing can be printed.
    drop(writeln!(std::io::stderr(), "cacheprog-client: {error}\n{help}"));
    ExitCode::from(2)
}

/// Prints the commands for the setup hook, which evaluates them if this succeeds.
fn env(phase: Option<&OsStr>, environment: &Environment) -> ExitCode {
    let phase = phase.map(OsStr::to_string_lossy);
    let commands = match phase.as_deref() {
        Some(phase) if !environment.is_sandbox() && !exports::BEFORE_GO.contains(&phase) => None,
        phase if !environment.is_sandbox() => session(phase.is_none(), environment),
        Some("exit") => Some(summary::command(environment)),
        phase => exports::commands(phase, &environment::variables()),
    };
    print(commands.as_deref().unwrap_or_default(), commands.is_some())
}

/// Prints what a condition of this scope is made of here.
fn condition(scope: &OsStr, environment: &Environment) -> ExitCode {
    match go_command::describe(&scope.to_string_lossy(), environment) {
        Ok(text) => print(&text, true),
        Err(reason) => {
            environment::print_error(reason);
            ExitCode::FAILURE
        }
    }
}

/// The commands for a session outside of sandboxes. Without one, a user who asked is told the reason; a setup hook is not, since it
/// asks in each phase of each build.
fn session(is_user: bool, environment: &Environment) -> Option<String> {
    let commands = host_session::commands(environment, &environment::variables());
    let report = |text: &str| if is_user { environment::print_error(text) } else { environment.log(text) };
    commands.inspect_err(|e| report(&e.to_string())).ok()
}

fn print(text: &str, success: bool) -> ExitCode {
    let printed = std::io::stdout().write_all(text.as_bytes()).is_ok();
    if success && printed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The program that cmd/go starts. In a sandbox it talks to the daemon; without one it is a complete cache program.
//!
//! Where things are: serve.rs reads cmd/go's requests and hands them to one of two caches (cache.rs says what it asks of
//! them): embedded.rs, a store of its own, or remote.rs, the daemon. Behind that: link.rs is the connection and
//! what it owes, local.rs is a store on disk (that of embedded.rs, and the spool that serves while there is no daemon),
//! drain.rs hands the spool on, silence.rs tells other clients of a daemon that hangs, own.rs is read-your-writes, held.rs
//! keeps a body until its put is answered, inputs.rs, lists.rs, contents.rs and tree.rs let a test's result stand for the same test
//! in another build, which remote/jobs.rs has a thread for, plain.rs is what may be shared in transparent mode, answers.rs is the one way to cmd/go, asked.rs what the go command was asked to do, overlay.rs whether it reads its own toolchain, manners.rs what a child of cmd/go must see to. For the setup hook there are
//! points.rs, cgo.rs and summary.rs, and host.rs where there is no sandbox; derivation.rs is the environment of a build. environment.rs reads the environment, clock.rs the clock; sync.rs says what a poisoned
//! lock means.
//!
//! The rule to keep: whatever happens, each request is answered once, a get never with an error and a put always with a
//! path (docs/facts/go.md, "Rules for a cache program"). cmd/go ends the build otherwise.

pub mod args;

mod clock;
mod condition;
mod daemon;
mod environment;
mod gocmd;
mod host_session;
mod local;
mod locks;
mod put_body;
mod read_your_writes;
mod setup_hook;
mod share_policy;
mod test_results;

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use args::{Command, UsageError};
use environment::Environment;

/// Does what the command line says.
#[must_use]
pub fn run(command: &Command) -> ExitCode {
    let read = Environment::read();
    let environment = if *command == Command::ServeTransparently { read.transparent() } else { read };
    let serve = |store: Option<&Path>| match gocmd::stdio::take_stdout() {
        Ok(output) => gocmd::serve::run(output, store, &environment).map_err(|e| e.to_string()),
        Err(e) => Err(format!("taking standard output: {e}")),
    };
    let done = match command {
        Command::Serve { store } => serve(store.as_deref()),
        Command::ServeTransparently => serve(None),
        Command::Env { point } => return env(point.as_deref(), &environment),
        Command::Help => return print(args::HELP, true),
        Command::Version => return print(concat!("cacheprog-client ", env!("CARGO_PKG_VERSION"), "\n"), true),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            environment.tell(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the command line.
#[must_use]
pub fn usage(error: &UsageError) -> ExitCode {
    // Nobody to tell where standard error is gone.
    drop(writeln!(std::io::stderr(), "cacheprog-client: {error}\n{}", args::HELP));
    ExitCode::from(2)
}

/// For the setup hook, which evaluates what is printed if this succeeds.
fn env(point: Option<&OsStr>, environment: &Environment) -> ExitCode {
    let point = point.map(OsStr::to_string_lossy);
    let commands = match point.as_deref() {
        Some(point) if !environment.is_sandbox() && !setup_hook::phases::BEGINNINGS.contains(&point) => None,
        _ if !environment.is_sandbox() => host_session::commands(environment, &environment::variables()),
        Some("exit") => Some(setup_hook::summary::command(environment)),
        point => setup_hook::phases::commands(point, &environment::variables()),
    };
    print(commands.as_deref().unwrap_or_default(), commands.is_some())
}

fn print(text: &str, success: bool) -> ExitCode {
    let printed = std::io::stdout().write_all(text.as_bytes()).is_ok();
    if success && printed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

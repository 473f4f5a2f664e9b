//! The command line as a process, with a running daemon and without one. Each test has a daemon of its own.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the parts of Nix, of other users and of vandals")]

mod asking; // status, builds, why and top: who may ask, which build is meant
mod check; // which settings are valid
mod conditions; // what why and doctor tell of conditions that did not hold
mod figures; // the figures that status, builds and why show
mod help; // what -h and --help print
mod remote; // what runs cacheprog-remote
mod standalone; // a store of cacheprog-client, without a daemon
mod tending; // gc, verify and purge, with a running daemon and without one

use std::path::PathBuf;
use std::process::Command;

use testkit::Daemon;

/// Runs a command with the daemon's control socket. Returns the exit code, standard output and standard error.
fn command(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"));
    let output = command.args(arguments).env("NIX_GOCACHEPROG_CONTROL", daemon.control()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The directory of the only build.
fn directory(daemon: &Daemon) -> PathBuf {
    std::fs::read_dir(daemon.state_dir().join("builds")).unwrap().next().unwrap().unwrap().path()
}

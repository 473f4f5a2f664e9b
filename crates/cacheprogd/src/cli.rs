//! The command line: what can be asked for, and who does it.

use std::io::{self, Write};

use clap::{Parser, Subcommand};

use crate::error::CommandError;
use crate::{build, builds, check, doctor, gc, generate, install, purge, serve, status, top, verify, why};

/// The host's side of nix-gocacheprog: serves Go's build cache to sandboxed Nix builds, and shows what it does.
#[derive(Debug, Parser)]
#[command(name = "cacheprogd", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve builds until SIGTERM. Under systemd the socket and the directory come from the units.
    Serve(serve::Serve),
    /// Read every object and record of a store; says what is damaged. Works with and without a running daemon.
    Verify(verify::Verify),
    /// Bring a store within its limits now, and say what goes and why. Works with and without a running daemon.
    Gc(gc::Gc),
    /// Say what is wrong with a settings file, if anything is.
    Check(check::Check),
    /// Put the units, the settings and the line in nix.conf in place, on a Linux with systemd that is not NixOS.
    Install(install::Install),
    /// Take away what `install` put in place, and the cache.
    Uninstall(install::Install),
    /// Remove what somebody points at: what a build put, what is old, or everything. Works with and without a running daemon.
    Purge(purge::Purge),
    /// What the running daemon has and does: size against limit, hit rates, seconds saved, live builds, health.
    Status(status::Args),
    /// Whether all is in place that a cached build needs; each finding with what mends it. Fails where something is bad.
    Doctor(doctor::Doctor),
    /// What the latest builds got from the cache.
    Builds(builds::Args),
    /// Why a build missed what it missed, compared with the nearest earlier build of its name.
    Why(why::Why),
    /// The live builds every second, with how far they are.
    Top(top::Args),
    /// Write completions and man pages into a directory.
    #[command(hide = true)]
    Generate(generate::Generate),
}

impl Args {
    /// Does what was asked for.
    ///
    /// # Errors
    /// A [`CommandError`], which knows its exit code.
    pub fn run(&self) -> Result<(), CommandError> {
        match &self.command {
            Command::Serve(serve) => serve::run(serve),
            Command::Verify(verify) => verify::run(verify),
            Command::Gc(gc) => gc::run(gc),
            Command::Check(check) => check::run(check),
            Command::Install(args) => install::install(args),
            Command::Uninstall(args) => install::uninstall(args),
            Command::Purge(purge) => purge::run(purge),
            Command::Status(args) => status::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Builds(args) => builds::run(args),
            Command::Why(args) => why::run(args),
            Command::Top(args) => top::run(args),
            Command::Generate(args) => generate::run(args),
        }
    }
}

/// One log line: systemd's level prefix (`sd-daemon(3)`), where the journal reads it, then the message.
///
/// # Errors
/// What the writer returns.
pub fn log_line(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    let level = match record.level() {
        log::Level::Error => 3,
        log::Level::Warn => 4,
        log::Level::Info => 6,
        log::Level::Debug | log::Level::Trace => 7,
    };
    // A build chooses some of the words: they stay in one line.
    let message = with_short_ids(&record.args().to_string().replace(['\n', '\r'], " "));
    if is_journal() { writeln!(out, "<{level}>{message}") } else { writeln!(out, "{message}") }
}

/// With each build's id as `cacheprogd builds` shows it. Paths hold whole ids; who knows one finds the build's socket, and logs
/// have more readers than the state directory.
fn with_short_ids(message: &str) -> String {
    let (mut out, mut rest) = (String::new(), message);
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len()));
        out += before;
        out += &digits.parse().map_or_else(|_| digits.to_owned(), |id| build::short(&id));
        rest = after;
    }
    out + rest
}

/// Whether standard error leads to the journal, as systemd.exec(5) says under `JOURNAL_STREAM`.
#[expect(clippy::disallowed_methods, reason = "systemd says it by a variable")]
fn is_journal() -> bool {
    let stderr = rustix::fs::fstat(io::stderr()).map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino));
    stderr.ok().zip(std::env::var("JOURNAL_STREAM").ok()).is_some_and(|(is, named)| is == named)
}

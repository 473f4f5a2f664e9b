//! The command line: what can be asked for, and who does it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use proto::control::DEFAULT_SOCKET;

use crate::error::CommandError;
use crate::{check, client, gc, install, report, serve, verify};

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
    /// What the running daemon has and does.
    Status {
        /// The whole status as one JSON object.
        #[arg(long)]
        json: bool,
        /// The daemon's control socket.
        #[arg(long, value_name = "PATH", env = "NIX_GOCACHEPROG_CONTROL", default_value = DEFAULT_SOCKET)]
        control_socket: PathBuf,
    },
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
            Command::Status { json, control_socket } => {
                let status = client::status(control_socket)?;
                if *json {
                    let text = serde_json::to_string_pretty(&status).map_err(|e| CommandError::Output(e.into()))?;
                    client::print(&(text + "\n"))
                } else {
                    client::print(&report::status(&status))
                }
            }
        }
    }
}

/// One log line: systemd's level prefix (`sd-daemon(3)`), then the message.
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
    let message = record.args().to_string().replace(['\n', '\r'], " ");
    writeln!(out, "<{level}>{message}")
}

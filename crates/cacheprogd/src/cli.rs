//! The command line of the daemon: `serve`, and the eviction that the daemon starts by itself.
//!
//! The commands for people are in cacheprogctl.

use clap::{Parser, Subcommand};

use crate::error::CommandError;
use crate::maintenance::evict_process;
use crate::serve;

/// The host daemon of nix-gocacheprog: serves Go's build cache to sandboxed Nix builds. `cacheprogctl` is its command line.
#[derive(Debug, Parser)]
#[command(name = "cacheprogd", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve builds until SIGTERM. Under systemd the sockets and the directory come from the units.
    Serve(serve::Serve),
    /// One eviction. The daemon starts it.
    #[command(hide = true)]
    Evict(evict_process::Evict),
}

impl Args {
    /// Does what was asked for.
    ///
    /// # Errors
    /// A [`CommandError`].
    pub fn run(&self) -> Result<(), CommandError> {
        match &self.command {
            Command::Serve(serve) => serve::run(serve),
            Command::Evict(evict) => evict_process::run(evict),
        }
    }
}

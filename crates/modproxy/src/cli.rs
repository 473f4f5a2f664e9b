//! The command line: what can be asked for, and who does it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::settings::Settings;
use crate::{ProxyError, attach};

/// A Go module proxy that keeps what it fetched: each module is downloaded once a machine.
#[derive(Debug, Parser)]
#[command(name = "modproxy", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the users of this machine: GOPROXY=http://127.0.0.1:PORT. Prints its address when it listens.
    Serve {
        /// Where to listen; an address of this machine alone. Port 0: any.
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
        /// The list to stand in front of; by default what `go env GOPROXY` says.
        #[arg(long, value_name = "GOPROXY")]
        upstream: Option<String>,
        /// Keep modules in this store; by default in that of cacheprog-client, in the user's cache directory.
        /// `NIX_GOCACHEPROG_MAX_SIZE=20GiB` limits it (default: 10% of the disk, at most 50GiB).
        #[arg(long, value_name = "DIR")]
        store: Option<PathBuf>,
    },
    /// For the setup hook, in a build with network: start a proxy that ends with the shell SHELL, and print the GOPROXY with
    /// it in front. Fails and prints nothing where that is of no use.
    Beside {
        /// Process id of the build's shell.
        shell: i32,
    },
    /// That proxy itself.
    #[command(hide = true)]
    Attached {
        /// Process id of the build's shell.
        shell: i32,
    },
}

impl Args {
    /// Without a proxy a build goes on as it is, which is no news: who looks for one is told.
    #[must_use]
    pub fn level_of_errors(&self) -> log::Level {
        match self.command {
            Command::Serve { .. } => log::Level::Error,
            Command::Beside { .. } | Command::Attached { .. } => log::Level::Info,
        }
    }

    /// Does what was asked for.
    ///
    /// # Errors
    /// A [`ProxyError`].
    pub fn run(&self) -> Result<(), ProxyError> {
        match &self.command {
            Command::Serve { listen, upstream, store } => {
                attach::serve(*listen, Settings::of_a_host(upstream.as_deref(), store.as_deref())?)
            }
            Command::Beside { shell } => attach::beside(*shell),
            Command::Attached { shell } => attach::attached(*shell),
        }
    }
}

/// One log line. An upstream chooses some of the words: they stay in one line.
///
/// # Errors
/// What the writer returns.
pub fn log_line(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    writeln!(out, "nix-gocacheprog: modproxy: {}", record.args().to_string().replace(['\n', '\r'], " "))
}

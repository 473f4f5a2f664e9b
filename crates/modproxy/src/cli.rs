//! The command line: subcommands and their arguments, and the functions that carry them out.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::error::ProxyError;
use crate::launch;
use crate::responder;
use crate::settings::{self, Settings};

/// Where `serve` listens by default; nixos/modproxy.nix has it too.
const DEFAULT_ADDRESS: &str = "127.0.0.1:9416";

/// A Go module proxy with a cache: each module is downloaded once per machine.
#[derive(Debug, Parser)]
#[command(name = "modproxy", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The end of the long help.
const EXAMPLES: &str = "\
Examples:
  modproxy serve
  modproxy serve --upstream https://proxy.golang.org,direct --log-requests";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the users of this machine, as GOPROXY=http://127.0.0.1:9416. Prints its URL when it listens. At /healthz it answers "ok",
    /// at /metrics with its counters, for Prometheus.
    Serve {
        /// Where to listen: a loopback address. Port 0: a free port.
        #[arg(long, value_name = "ADDRESS:PORT", default_value = DEFAULT_ADDRESS, value_parser = listen_address)]
        listen: SocketAddr,
        /// The proxies to fetch from, as in GOPROXY; by default the value of `go env GOPROXY`, or of the variable GOPROXY where there
        /// is no go command.
        #[arg(long, value_name = "GOPROXY")]
        upstream: Option<String>,
        /// Cache modules in this store; by default in that of cacheprog-client, in the user's cache directory.
        /// `NIX_GOCACHEPROG_MAX_SIZE=20GiB` limits it (default: 10% of the disk, at most 50GiB).
        #[arg(long, value_name = "DIR")]
        store: Option<PathBuf>,
        /// Serve only what is in the cache, and ask no upstream. What is kept belongs to the list that it came from: keep the same one.
        #[arg(long)]
        offline: bool,
        /// Log a line for each request: its path, what came of it, bytes and time.
        #[arg(long)]
        log_requests: bool,
    },
    /// For the setup hook, in a build with network: start a proxy that ends with the process SHELL, and print the GOPROXY
    /// that puts it first. Fails and prints nothing where GOPROXY names no server.
    Beside {
        /// Process id of the build's shell.
        shell: i32,
    },
    /// The proxy that `beside` starts.
    #[command(hide = true)]
    Attached {
        /// Process id of the build's shell.
        shell: i32,
    },
}

impl Args {
    /// A build without a proxy is not an error, so its reason is logged at level "info" only.
    #[must_use]
    pub fn level_of_errors(&self) -> log::Level {
        match self.command {
            Command::Serve { .. } => log::Level::Error,
            Command::Beside { .. } | Command::Attached { .. } => log::Level::Info,
        }
    }

    /// What is logged where `RUST_LOG` says nothing. In a build standard error is the build's log, so only warnings go there.
    #[must_use]
    pub fn log_filter(&self) -> String {
        let level = if settings::is_verbose() { "info" } else { "warn" };
        format!("modproxy={level},{}=info", responder::REQUEST_LOG)
    }

    /// Carries out the subcommand.
    ///
    /// # Errors
    /// A [`ProxyError`].
    pub fn run(&self) -> Result<(), ProxyError> {
        match &self.command {
            Command::Serve { listen, upstream, store, offline, log_requests } => {
                let settings = Settings::for_host(upstream.as_deref(), store.as_deref())?;
                let settings = Settings { is_offline: *offline, logs_requests: *log_requests, ..settings };
                launch::serve_host(*listen, settings)
            }
            Command::Beside { shell } => launch::start_for_build(*shell),
            Command::Attached { shell } => launch::serve_build(*shell),
        }
    }
}

/// An address with a port; `localhost` is this machine, whatever resolves names.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").map(|port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
    local.as_deref().unwrap_or(text).parse().map_err(|_| format!("write ADDRESS:PORT, such as {DEFAULT_ADDRESS}"))
}

/// Writes one log line.
///
/// # Errors
/// What the writer returns.
pub fn log_line(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    writeln!(out, "nix-gocacheprog: modproxy: {}", one_line(&record.args().to_string()))
}

/// Parts of the text come from an upstream: without line breaks, and without anything that a terminal obeys.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_at_an_address_with_a_port() {
        assert_eq!(listen_address("localhost:3000"), Ok(([127, 0, 0, 1], 3000).into()));
        assert_eq!(listen_address("[::1]:0").map(|address| address.port()), Ok(0));
        for wrong in ["", "3000", "localhost", "localhost:", "example.test:1", "127.0.0.1:65536"] {
            assert!(listen_address(wrong).unwrap_err().contains(DEFAULT_ADDRESS), "{wrong}");
        }
    }

    #[test]
    fn the_text_of_an_upstream_writes_no_second_line_and_no_command_of_a_terminal() {
        assert_eq!(one_line("a\r\nb \u{1b}]0;c\u{7}\u{9b}31m \u{fc}"), "a  b  ]0;c  31m \u{fc}");
    }
}

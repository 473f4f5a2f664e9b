//! The command line of the daemon: `serve`, and the eviction that the daemon starts by itself.
//!
//! The commands for people are in cacheprogctl.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::error::CommandError;
use crate::maintenance::evict_process;
use crate::serve;

/// The host daemon of nix-gocacheprog: serves Go's build cache to sandboxed Nix builds. `cacheprogctl` is its command line.
#[derive(Debug, Parser)]
#[command(name = "cacheprogd", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The commands of cacheprogctl. Versions before it had them here.
const OF_CACHEPROGCTL: [&str; 11] =
    ["status", "builds", "why", "top", "doctor", "verify", "gc", "purge", "check", "install", "uninstall"];

/// The end of the long help.
const EXAMPLES: &str = "\
Examples:
  cacheprogd serve --help
  cacheprogd serve --state-dir /tmp/cache --control-socket /tmp/control.sock";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve builds until SIGTERM. Under systemd the sockets and the directory come from the units.
    Serve(serve::Serve),
    /// One eviction. The daemon starts it.
    #[command(hide = true)]
    Evict(evict_process::Evict),
}

impl Args {
    /// Reads the command line of this process. Ends the process where it is wrong, and for `--help` and `--version`.
    #[must_use]
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| with_hint(error).exit())
    }

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

/// The error itself, or for a command of cacheprogctl one that names it.
fn with_hint(error: clap::Error) -> clap::Error {
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) if OF_CACHEPROGCTL.contains(&name.as_str()) => {
            let hint = format!("cacheprogd only serves; run `cacheprogctl {name}`");
            Args::command().error(ErrorKind::InvalidSubcommand, hint)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_cacheprogctl_is_refused_with_its_new_place() {
        for name in OF_CACHEPROGCTL {
            let error = with_hint(Args::try_parse_from(["cacheprogd", name, "--json"]).unwrap_err());
            assert!(error.to_string().contains(&format!("run `cacheprogctl {name}`")), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
        let error = with_hint(Args::try_parse_from(["cacheprogd", "nonsense"]).unwrap_err());
        assert!(error.to_string().contains("nonsense") && !error.to_string().contains("cacheprogctl"), "{error}");
    }
}

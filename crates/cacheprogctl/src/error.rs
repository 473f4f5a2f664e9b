//! What ends a command, and with which exit code.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use proto::FrameError;
use proto::control::DEFAULT_SOCKET;
use settings::{SettingsError, StateError};
use store::{LimitsError, StoreError};

use crate::install::error::InstallError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No daemon answers.
    #[error("no daemon answers at {}", path.display())]
    NoDaemon {
        /// The control socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The daemon's answer cannot be read.
    #[error("reading the daemon's answer")]
    Frame(#[from] FrameError),
    /// The daemon refused.
    #[error("the daemon refused: {0}")]
    Refused(String),
    /// The daemon knows no build of this name or id.
    #[error("no build named {wanted}{}", did_you_mean(nearest))]
    NoBuild {
        /// The name or id.
        wanted: String,
        /// The nearest names.
        nearest: String,
    },
    /// The build did not ask for this package.
    #[error("the build did not ask for a package {wanted}{}", did_you_mean(nearest))]
    NoPackage {
        /// The import path.
        wanted: String,
        /// The nearest import paths.
        nearest: String,
    },
    /// The settings file cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The limits cannot be kept on this disk.
    #[error(transparent)]
    Limits(LimitsError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store cannot be read or changed.
    #[error("working on the store")]
    Store(#[from] StoreError),
    /// The store has damage that was not repaired.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The state directory.
        path: PathBuf,
    },
    /// Entries that were to be removed are still there.
    #[error("{}: some entries could not be read or removed", path.display())]
    NotRemoved {
        /// The state directory.
        path: PathBuf,
    },
    /// This machine has no user of this name.
    #[error("no user {wanted} in /etc/passwd: write the number of a user of a directory service")]
    NoUser {
        /// The name.
        wanted: String,
    },
    /// `purge --all` needs a confirmation.
    #[error("this removes the whole cache: add --yes to confirm, or --dry-run to see how much it is")]
    NotConfirmed,
    /// The doctor found problems.
    #[error("problems found: {bad}")]
    BadFindings {
        /// How many.
        bad: usize,
    },
    /// The installation is incomplete or did not begin.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// cacheprog-remote is not there, or does not start.
    #[error("running cacheprog-remote: install it beside cacheprogctl, or in PATH")]
    NoRemoteProgram(#[source] io::Error),
    /// A system call failed.
    #[error("{0}")]
    System(&'static str, #[source] io::Error),
    /// The output cannot be written.
    #[error("writing the output")]
    Output(#[source] io::Error),
}

/// What to do where no daemon answers.
const START_DAEMON: &str = "run `systemctl start nix-gocacheprog.socket` (after `install --user`: `systemctl --user start \
                            nix-gocacheprog.socket`); without systemd see docs/how-to/install.md, \"Without systemd\"";

/// What to do where nothing is installed.
const INSTALL: &str = "`cacheprogctl install`, as root, installs the daemon and Nix's hook; on NixOS set services.nix-gocacheprog.enable \
                       (docs/how-to/install.md)";

/// Where `cacheprogctl install` and NixOS have the unit of the control socket.
const UNIT: &str = "/etc/systemd/system/nix-gocacheprog.socket";

impl CommandError {
    /// What the user can do, where the message does not hold it.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Self::NoDaemon { path, .. } => Some(start(path, Path::new(UNIT).exists())),
            _ => None,
        }
    }

    /// 3: no daemon; 1: everything else (2 is a wrong command line).
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoDaemon { .. } => ExitCode::from(3),
            Self::Frame(_)
            | Self::Refused(_)
            | Self::NoBuild { .. }
            | Self::NoPackage { .. }
            | Self::Settings(_)
            | Self::Limits(_)
            | Self::State(_)
            | Self::Store(_)
            | Self::Damaged { .. }
            | Self::NotRemoved { .. }
            | Self::NoUser { .. }
            | Self::NotConfirmed
            | Self::BadFindings { .. }
            | Self::Install(_)
            | Self::NoRemoteProgram(_)
            | Self::System(..)
            | Self::Output(_) => ExitCode::from(1),
        }
    }
}

fn did_you_mean(nearest: &str) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {nearest}?") }
}

/// What to do where no daemon answers at this socket.
fn start(socket: &Path, is_installed: bool) -> &'static str {
    if socket == Path::new(DEFAULT_SOCKET) && !is_installed { INSTALL } else { START_DAEMON }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_an_installation_that_is_the_fix() {
        let fix = |socket: &str, is_installed| start(Path::new(socket), is_installed);
        assert_eq!(fix(DEFAULT_SOCKET, false), INSTALL);
        assert_eq!(fix(DEFAULT_SOCKET, true), START_DAEMON);
        assert_eq!(fix("/work/none.sock", false), START_DAEMON, "it is run by hand");
    }
}

//! What ends a command, and with which exit code.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use proto::FrameError;
use proto::control::{DEFAULT_SOCKET, STATUS_SOCKETS};
use settings::{SettingsError, StateError};
use store::{LimitsError, StoreError};

use crate::install::error::InstallError;
use crate::{nix_conf, user_dirs};

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
    /// Something listens, and answers nothing: systemd, while the daemon does not start, or a daemon that hangs.
    #[error("the daemon does not answer at {}: {why}", path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
        /// How that showed.
        why: String,
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
    /// It is a file of the hook's settings.
    #[error("{} has settings of the pre-build-hook, not of the daemon", path.display())]
    HookSettings {
        /// The file.
        path: PathBuf,
    },
    /// The limits cannot be kept on this disk.
    #[error(transparent)]
    Limits(LimitsError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store cannot be read or changed.
    #[error("working on the store")]
    Store(#[from] StoreError),
    /// The store cannot be read; the text has the fix.
    #[error("{0}")]
    Unusable(String),
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

/// What to do where the status socket is stopped, and maybe the other one, which this user cannot see. While the
/// daemon runs, systemd starts no socket of it; with the daemon it starts both.
const START_SOCKETS: &str =
    "run `systemctl restart nix-gocacheprog`; without systemd see docs/how-to/install.md, \"Without systemd\"";

/// What to do where a daemon does not answer.
const FIND_CAUSE: &str = "`cacheprogctl check /etc/nix-gocacheprog.toml` tells whether its settings are valid, `journalctl -u nix-gocacheprog` \
                          why it ended";

/// The same of a user's own daemon, which has no settings.
const FIND_CAUSE_OF_USERS: &str = "`journalctl --user -u nix-gocacheprog` tells why it ended";

/// What to do with a file of the hook.
const ASK_HOOK: &str = "run `/etc/nix-gocacheprog/hook --check FILE` with it";

/// What to do where nothing is installed.
const INSTALL: &str = "nix-gocacheprog is not installed here: run `cacheprogctl install` as root \
                       (a single-user Nix: `cacheprogctl install --user`)";

/// The same on NixOS.
const INSTALL_ON_NIXOS: &str =
    "nix-gocacheprog is not installed here: set `services.nix-gocacheprog.enable = true` (docs/how-to/install.md)";

/// The same of a user's own daemon.
const INSTALL_USER: &str = "no daemon of this user is installed: run `cacheprogctl install --user`";

/// What to do where nothing is installed, and this user has a store without a daemon.
const OWN_STORE: &str =
    "there is no daemon on this machine: run `cacheprogctl status --store`, which shows your own store";

/// What there is to do on a machine without Nix.
pub(crate) const NO_NIX: &str = "there is no Nix on this machine, and without Nix nothing has to be installed: \
                                 `cacheprogctl status --store` shows the client's own store";

/// What to do where the system refused something to this user.
const NEEDS_ROOT: &str = "this needs root: run it as root, or as the user to whom the directory belongs";

/// Where NixOS says that it is NixOS.
pub(crate) const NIXOS: &str = "/etc/NIXOS";

/// Where `cacheprogctl install` and NixOS have the unit of the control socket.
const UNIT: &str = "/etc/systemd/system/nix-gocacheprog.socket";

impl CommandError {
    /// What the user can do, where the message does not hold it.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        let is_denied = is_denied(self) && !rustix::process::geteuid().is_root();
        match self {
            Self::Install(InstallError::NotRoot) => None, // its text says what to do
            _ if is_denied => Some(NEEDS_ROOT),
            Self::NoDaemon { path, .. } if *path == user_dirs::control_socket() && !has_user_unit() => {
                Some(INSTALL_USER)
            }
            Self::NoDaemon { path, .. } => Some(start(path, Machine::look())),
            Self::Silent { path, .. } if *path == user_dirs::control_socket() => Some(FIND_CAUSE_OF_USERS),
            Self::Silent { .. } => Some(FIND_CAUSE),
            Self::HookSettings { .. } => Some(ASK_HOOK),
            _ => None,
        }
    }

    /// Whether no daemon answers because none is installed here. One at another socket is run by hand.
    pub(crate) fn is_not_installed(&self) -> bool {
        self.lacks_daemon(Machine::look())
    }

    fn lacks_daemon(&self, machine: Machine) -> bool {
        let Self::NoDaemon { path, source } = self else { return false };
        path == Path::new(DEFAULT_SOCKET) && source.kind() == io::ErrorKind::NotFound && !machine.is_installed
    }

    /// The place of an error in a settings file, as the parser draws it: lines below the message.
    pub fn drawing(&self) -> impl Iterator<Item = &str> {
        let settings = if let Self::Settings(error) = self { Some(error) } else { None };
        settings.into_iter().flat_map(SettingsError::drawing)
    }

    /// 3: no daemon; 1: everything else (2 is a wrong command line).
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoDaemon { .. } | Self::Silent { .. } => ExitCode::from(3),
            Self::State(StateError::TwoStores) => ExitCode::from(2),
            Self::Frame(_)
            | Self::Refused(_)
            | Self::NoBuild { .. }
            | Self::NoPackage { .. }
            | Self::Settings(_)
            | Self::HookSettings { .. }
            | Self::Limits(_)
            | Self::State(_)
            | Self::Store(_)
            | Self::Unusable(_)
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

/// Whether the cause is that the system refused something to this user.
fn is_denied(error: &CommandError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn has_user_unit() -> bool {
    user_dirs::unit().is_some_and(|unit| unit.exists())
}

/// What is on this machine, as far as a fix depends on it.
#[derive(Debug, Clone, Copy, Default)]
struct Machine {
    is_installed: bool,
    has_nix: bool,
    is_nixos: bool,
    has_own_store: bool,
}

impl Machine {
    fn look() -> Self {
        Self {
            is_installed: Path::new(UNIT).exists() || has_user_unit(),
            has_nix: nix_conf::is_nix_here(),
            is_nixos: Path::new(NIXOS).exists(),
            has_own_store: settings::own_dir().is_some_and(|dir| dir.join("format").exists()),
        }
    }
}

/// What to do where no daemon answers at this socket.
fn start(socket: &Path, machine: Machine) -> &'static str {
    match machine {
        _ if STATUS_SOCKETS.iter().any(|status| socket == Path::new(status)) => START_SOCKETS,
        _ if socket != Path::new(DEFAULT_SOCKET) => START_DAEMON,
        Machine { is_installed: true, .. } => START_DAEMON,
        Machine { has_own_store: true, .. } => OWN_STORE,
        Machine { has_nix: false, .. } => NO_NIX,
        _ => not_installed(machine.is_nixos),
    }
}

fn not_installed(is_nixos: bool) -> &'static str {
    if is_nixos { INSTALL_ON_NIXOS } else { INSTALL }
}

/// That nothing is installed, and how it is installed.
pub(crate) fn install(is_nixos: bool) -> (&'static str, &'static str) {
    not_installed(is_nixos).split_once(": ").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_an_installation_that_is_the_fix() {
        let none = Machine { has_nix: true, ..Machine::default() };
        let fix = |socket: &str, machine| start(Path::new(socket), machine);
        assert_eq!(fix(DEFAULT_SOCKET, none), INSTALL);
        assert_eq!(fix(DEFAULT_SOCKET, Machine { is_nixos: true, ..none }), INSTALL_ON_NIXOS);
        assert_eq!(fix(DEFAULT_SOCKET, Machine { has_own_store: true, ..none }), OWN_STORE);
        assert_eq!(fix(DEFAULT_SOCKET, Machine { has_own_store: true, is_installed: true, ..none }), START_DAEMON);
        assert_eq!(fix(DEFAULT_SOCKET, Machine::default()), NO_NIX);
        assert_eq!(fix("/work/none.sock", none), START_DAEMON, "it is run by hand");
        assert_eq!(fix(STATUS_SOCKETS[0], Machine { is_installed: true, ..none }), START_SOCKETS);
    }

    #[test]
    fn a_daemon_that_was_stopped_or_is_run_by_hand_is_not_missing() {
        let none = Machine::default();
        let lacks = |path: &str, kind: io::ErrorKind, machine| {
            CommandError::NoDaemon { path: path.into(), source: kind.into() }.lacks_daemon(machine)
        };
        assert!(lacks(DEFAULT_SOCKET, io::ErrorKind::NotFound, none));
        assert!(!lacks(DEFAULT_SOCKET, io::ErrorKind::ConnectionRefused, none));
        assert!(!lacks(DEFAULT_SOCKET, io::ErrorKind::NotFound, Machine { is_installed: true, ..none }));
        assert!(!lacks("/work/none.sock", io::ErrorKind::NotFound, none));
    }

    #[test]
    fn what_the_system_refused_to_this_user_needs_root() {
        let at = |kind: io::ErrorKind| CommandError::State(StateError::at(Path::new("/x"), kind.into()));
        assert!(is_denied(&at(io::ErrorKind::PermissionDenied)));
        assert!(!is_denied(&at(io::ErrorKind::NotFound)));
        assert!(at(io::ErrorKind::PermissionDenied).to_string().contains("/x is closed to this user"));
    }
}

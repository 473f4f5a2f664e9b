//! What ends the daemon with an error. Each message names what failed, on what, and what the user can do.
//!
//! Errors of the settings file and of the state directory are the crate settings'.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::geteuid;
use settings::{SettingsError, StateError};
use store::{LimitsError, StoreError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// `serve` got no state directory.
    #[error("no state directory: give --state-dir DIR, or run under systemd with CacheDirectory=")]
    NoStateDir,
    /// `serve` got no control socket.
    #[error("no control socket: give --control-socket PATH, or start the daemon by its systemd socket unit")]
    NoSocket,
    /// systemd handed over sockets that cannot be used.
    #[error("taking the sockets from systemd")]
    Inherited(#[source] io::Error),
    /// A socket cannot be bound.
    #[error("cannot listen at {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Another daemon has the state directory.
    #[error("{} is in use by another daemon; stop that one, or give another --state-dir", path.display())]
    Locked {
        /// The state directory.
        path: PathBuf,
    },
    /// The state directory cannot be used.
    #[error("opening the state directory")]
    Store(#[from] StoreError),
    /// Something in the state directory is closed to the daemon's user, as where a backup was restored under another one.
    #[error("the daemon's user (uid {uid}) may not use all of {}: run `chown -R {uid} {}` as root, and start the daemon again",
        path.display(), path.display())]
    NotOwner {
        /// The daemon's user.
        uid: u32,
        /// The state directory.
        path: PathBuf,
        /// What was refused.
        source: Box<Self>,
    },
    /// The limits make no sense on this disk.
    #[error(transparent)]
    Limits(LimitsError),
    /// The settings file cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The state directory cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// An eviction could not do all of its work.
    #[error("evicting in {}: some files could not be read or removed, the first: {first}; `cacheprogctl gc` lists them", path.display())]
    NotEvicted {
        /// The state directory.
        path: PathBuf,
        /// The first failure.
        first: String,
    },
    /// The result of an eviction cannot be printed.
    #[error("writing the output")]
    Output(#[source] io::Error),
    /// The system refused something the loop cannot do without.
    #[error("{0}")]
    System(&'static str, #[source] io::Error),
    /// The state directory's path cannot be written to Nix's settings.
    #[error("{} is not UTF-8, and Nix mounts only such paths: give another --state-dir", path.display())]
    NotText {
        /// The state directory.
        path: PathBuf,
    },
}

impl CommandError {
    /// The place of an error in the settings file, as the parser draws it: lines below the message.
    pub fn drawing(&self) -> impl Iterator<Item = &str> {
        let settings = if let Self::Settings(error) = self { Some(error) } else { None };
        settings.into_iter().flat_map(SettingsError::drawing)
    }

    /// The same, of something in the state directory: where permission was denied, with whose it has to be.
    pub(crate) fn in_state_dir(self, path: &Path) -> Self {
        if path.exists() && is_denied(&self) {
            return Self::NotOwner { uid: geteuid().as_raw(), path: path.to_owned(), source: Box::new(self) };
        }
        self
    }

    /// 78 (`EX_CONFIG` of sysexits.h) for wrong settings, with which a daemon that is started again ends again: its unit has
    /// `RestartPreventExitStatus=78`. 1 for everything else (2 is a wrong command line).
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_) | Self::Limits(_) => ExitCode::from(78),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Whether the system denied permission.
fn is_denied(error: &(dyn Error + 'static)) -> bool {
    let denied = error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == ErrorKind::PermissionDenied);
    denied || error.source().is_some_and(is_denied)
}

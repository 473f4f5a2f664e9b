//! What fails when the settings file is read or a state directory is opened. Each program adds its own errors to these.

use std::io;
use std::path::{Path, PathBuf};

use store::{SizeError, StoreError};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file holds something else than settings.
    #[error("{}, line {line}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The setting, and what to write.
        what: String,
        /// The line with a mark below the place, in lines of their own.
        drawing: String,
    },
    /// The file cannot be read.
    #[error("cannot read the settings {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A variable has another value than a setting can have.
    #[error("{name}={value}: {what}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What to write.
        what: SizeError,
    },
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory holds no store, or there is no directory.
    #[error(
        "no store in {}: give the daemon's state directory as --state-dir, or that of cacheprog-client as --store",
        path.display()
    )]
    NoStore {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The directory is closed to this user.
    #[error("{} is closed to this user", path.display())]
    Closed {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A user without a home has no store.
    #[error("your own store is in XDG_CACHE_HOME or HOME, and neither is set to an absolute path: write --store DIR")]
    NoHome,
    /// Two stores are on the command line.
    #[error("--store and --state-dir are two stores: write one of them")]
    TwoStores,
    /// A running daemon of an earlier version does not know the present format.
    #[error("a daemon of an earlier version runs on {}: restart it first", path.display())]
    EarlierDaemon {
        /// The state directory.
        path: PathBuf,
    },
    /// The store cannot be opened.
    #[error("opening the state directory")]
    Store(#[from] StoreError),
    /// A system call failed.
    #[error("{0}")]
    System(&'static str, #[source] io::Error),
}

impl SettingsError {
    /// The place of the error as the parser draws it, for a reader of several lines.
    pub fn drawing(&self) -> impl Iterator<Item = &str> {
        let drawing = match self {
            Self::Invalid { drawing, .. } => drawing.as_str(),
            Self::Unreadable { .. } | Self::Variable { .. } => "",
        };
        drawing.lines().filter(|line| !line.is_empty())
    }
}

impl StateError {
    /// A directory that cannot be opened as a store.
    #[must_use]
    pub fn at(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Closed { path, source },
            _ => Self::NoStore { path, source },
        }
    }
}

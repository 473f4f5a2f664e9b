//! What fails when the settings file is read or a state directory is opened. Each program adds its own errors to these.

use std::io;
use std::path::PathBuf;

use store::StoreError;

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
    },
    /// The file cannot be read.
    #[error("cannot read the settings {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory holds no store, or there is no directory.
    #[error("no store in {}: give the daemon's state directory as --state-dir", path.display())]
    NoStore {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
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

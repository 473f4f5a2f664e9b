//! What ends a command, and with which exit code.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use proto::FrameError;
use store::{CapsError, StoreError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// `serve` was told no place for its state.
    #[error("no state directory: give --state-dir DIR, or run under systemd with CacheDirectory=")]
    NoStateDir,
    /// `serve` was told no socket.
    #[error("no control socket: give --control-socket PATH, or start the daemon by its systemd socket unit")]
    NoSocket,
    /// systemd handed over something unexpected.
    #[error("taking the sockets from systemd")]
    Inherited(#[source] io::Error),
    /// The control socket cannot be made.
    #[error("listening at {}", path.display())]
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
    /// What that daemon has there would be changed under it.
    #[error("a daemon of an earlier version runs on {}: restart it first", path.display())]
    Earlier {
        /// The state directory.
        path: PathBuf,
    },
    /// The state directory cannot be used.
    #[error("opening the state directory")]
    Store(#[from] StoreError),
    /// There is no store where one is to be read.
    #[error("no store in {}: give the directory that `cacheprogd serve` has as --state-dir", path.display())]
    NoStore {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something is damaged, and stays.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The state directory.
        path: PathBuf,
    },
    /// Something that had to go is still there.
    #[error("{}: some of it could not be looked at or removed", path.display())]
    Unswept {
        /// The state directory.
        path: PathBuf,
    },
    /// The limits make no sense on this disk.
    #[error(transparent)]
    Limits(CapsError),
    /// The settings file makes no sense.
    #[error("reading the settings in {}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// The settings file cannot be read.
    #[error("reading the settings in {}: give a file that is there with --config", path.display())]
    NoSettings {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused something the loop cannot do without.
    #[error("{0}")]
    System(&'static str, #[source] io::Error),
    /// The state directory's path cannot be told to Nix.
    #[error("{} is not text that Nix can be told: give another --state-dir", path.display())]
    NotText {
        /// The state directory.
        path: PathBuf,
    },
    /// No daemon answers.
    #[error(
        "no daemon answers at {}; start it with `systemctl start nix-gocacheprog` or `cacheprogd serve`",
        path.display()
    )]
    NoDaemon {
        /// The control socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The daemon's answer makes no sense.
    #[error("talking to the daemon")]
    Frame(#[from] FrameError),
    /// The daemon refused.
    #[error("the daemon says: {0}")]
    Refused(String),
    /// Nothing was installed, or not all.
    #[error(transparent)]
    Install(#[from] crate::install::InstallError),
    /// The doctor found something.
    #[error("{bad} findings are bad")]
    Unwell {
        /// How many.
        bad: usize,
    },
    /// Nobody said that everything is to go.
    #[error("this removes all that is cached: add --yes if that is meant, or --dry-run to see how much it is")]
    NotSure,
    /// No build is called so.
    #[error("no build is called {wanted}{}", did_you_mean(nearest))]
    NoBuild {
        /// What was asked for.
        wanted: String,
        /// The nearest names.
        nearest: String,
    },
    /// The build did not ask for such a package.
    #[error("the build did not ask for a package {wanted}{}", did_you_mean(nearest))]
    NoPackage {
        /// What was asked for.
        wanted: String,
        /// The nearest import paths.
        nearest: String,
    },
    /// The answer cannot be printed.
    #[error("writing the answer")]
    Output(#[source] io::Error),
}

impl CommandError {
    /// 3: no daemon; 1: everything else (2 is a wrong command line).
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoDaemon { .. } => ExitCode::from(3),
            Self::NoStateDir
            | Self::NoSocket
            | Self::Inherited(_)
            | Self::Listen { .. }
            | Self::Locked { .. }
            | Self::Earlier { .. }
            | Self::NoStore { .. }
            | Self::Damaged { .. }
            | Self::Unswept { .. }
            | Self::Limits(_)
            | Self::Settings { .. }
            | Self::NoSettings { .. }
            | Self::Store(_)
            | Self::System(..)
            | Self::NotText { .. }
            | Self::Frame(_)
            | Self::Refused(_)
            | Self::Install(_)
            | Self::Unwell { .. }
            | Self::NotSure
            | Self::NoBuild { .. }
            | Self::NoPackage { .. }
            | Self::Output(_) => ExitCode::from(1),
        }
    }
}

fn did_you_mean(nearest: &str) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {nearest}?") }
}

/// An error with what caused it, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _infallible = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

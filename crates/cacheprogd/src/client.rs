//! Asking a running daemon, for the command line.

use std::io::{BufRead, Error, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::control::{Answer, Builds, Control, DEFAULT_SOCKET, STATUS_SOCKETS, Status};
use proto::{FrameError, limits};
use serde::Serialize;

use crate::account::Account;
use crate::error::CommandError;

/// A person waits for the answer; counting a store of a million entries takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the daemon is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sockets {
    /// A socket of the daemon's. [default: the control socket, /run/nix-gocacheprog/control.sock; for who may not, the one for
    /// everyone, /run/nix-gocacheprog-status.sock]
    #[arg(long, value_name = "PATH", env = "NIX_GOCACHEPROG_CONTROL")]
    control_socket: Option<PathBuf>,
}

impl Sockets {
    /// The daemon behind the first socket at which one listens.
    fn connect(&self) -> Result<UnixStream, CommandError> {
        // Who may is told all at the control socket; the others find its directory closed.
        let defaults = || [DEFAULT_SOCKET].iter().chain(&STATUS_SOCKETS).map(PathBuf::from).collect();
        let sockets: Vec<PathBuf> = self.control_socket.clone().map_or_else(defaults, |socket| vec![socket]);
        let mut failed: Option<(PathBuf, Error)> = None;
        for path in sockets {
            match transport::dial(&path, PATIENCE) {
                Ok(stream) => return Ok(stream),
                // That one was closed says less than that another one is not there.
                Err(e) if failed.as_ref().is_none_or(|(_, e)| e.kind() == ErrorKind::PermissionDenied) => {
                    failed = Some((path, e));
                }
                Err(_) => {}
            }
        }
        // There is a socket to try, so that there is a failure here.
        Err(failed.map_or(CommandError::NoSocket, |(path, source)| CommandError::NoDaemon { path, source }))
    }

    /// Where the socket for everyone may be.
    pub(crate) fn status(&self) -> Vec<PathBuf> {
        match &self.control_socket {
            Some(control) => vec![control.with_file_name("status.sock")],
            None => STATUS_SOCKETS.iter().map(PathBuf::from).collect(),
        }
    }

    /// The control socket, or the default one.
    pub(crate) fn control(&self) -> &Path {
        self.control_socket.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET))
    }
}

/// The daemon's status.
///
/// # Errors
/// Where no daemon answers, or not that.
pub(crate) fn status(sockets: &Sockets) -> Result<Status, CommandError> {
    match ask(sockets, Control::Status)?.0 {
        Answer::Status(status) => Ok(*status),
        other => Err(refused(other)),
    }
}

/// The live builds and those that ended last.
///
/// # Errors
/// As [`status`].
pub(crate) fn builds(sockets: &Sockets) -> Result<Builds, CommandError> {
    match ask(sockets, Control::Builds)?.0 {
        Answer::Builds(builds) => Ok(builds),
        other => Err(refused(other)),
    }
}

/// What one build asked for.
///
/// # Errors
/// As [`status`]; the daemon refuses where it keeps no account of it.
pub(crate) fn account(sockets: &Sockets, short: &str) -> Result<Account, CommandError> {
    match ask(sockets, Control::Account { build: short.to_owned() })? {
        (Answer::Follows(length), rest) => {
            let mut json = Vec::new();
            rest.take(length.min(limits::ACCOUNT)).read_to_end(&mut json).map_err(FrameError::from)?;
            serde_json::from_slice(&json).map_err(|e| FrameError::from(e).into())
        }
        (other, _) => Err(refused(other)),
    }
}

fn refused(answer: Answer) -> CommandError {
    match answer {
        Answer::Error(error) => CommandError::Refused(error),
        Answer::Registered { .. } | Answer::Builds(_) | Answer::Status(_) | Answer::Follows(_) => {
            CommandError::Refused("something else than what was asked for".to_owned())
        }
    }
}

fn ask(sockets: &Sockets, request: Control) -> Result<(Answer, impl BufRead), CommandError> {
    Ok(transport::ask(sockets.connect()?, request, &[])?)
}

/// Prints to standard output; a reader that left (`| head`) is no error.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(CommandError::Output(e)),
        _ => Ok(()),
    }
}

/// Prints one JSON object.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    print(&(serde_json::to_string_pretty(value).map_err(|e| CommandError::Output(e.into()))? + "\n"))
}

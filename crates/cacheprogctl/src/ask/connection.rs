//! Asks a running daemon at its control socket or its status socket.

use std::io::{BufRead, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::control::{Answer, Builds, Control, DEFAULT_SOCKET, STATUS_SOCKETS, Status};
use proto::profile::BuildProfile;
use proto::{FrameError, limits};

use crate::error::CommandError;
use crate::user_dirs;

/// How long a user waits for the answer. A running daemon has its counts in memory. One that systemd starts now first reads the state of
/// the last one.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where the daemon is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sockets {
    /// A socket of the daemon.
    ///
    /// By default it is the control socket, /run/nix-gocacheprog/control.sock; for users who may not use that, the status socket,
    /// /run/nix-gocacheprog-status.sock; and where no daemon is there, that of this user's own daemon (`install --user`).
    #[arg(long, value_name = "PATH", env = "NIX_GOCACHEPROG_CONTROL")]
    control_socket: Option<PathBuf>,
    /// Ask this user's own daemon (`install --user`) and no other.
    #[arg(long)]
    user: bool,
}

impl Sockets {
    /// Connects to the first socket at which a daemon listens.
    fn connect(&self) -> Result<(UnixStream, PathBuf), CommandError> {
        let (mut path, mut error) = match transport::dial(&self.control(), TIMEOUT) {
            Ok(stream) => return Ok((stream, self.control())),
            Err(e) => (self.control(), e),
        };
        if self.is_default() {
            // Users who may not use the control socket find its directory closed.
            for other in STATUS_SOCKETS {
                match transport::dial(Path::new(other), TIMEOUT) {
                    Ok(stream) => return Ok((stream, other.into())),
                    // The error of the status socket tells more than that the control socket is closed.
                    Err(e) if error.kind() == ErrorKind::PermissionDenied => (path, error) = (other.into(), e),
                    Err(_) => {}
                }
            }
            let of_user = user_dirs::control_socket();
            if let Ok(stream) = transport::dial(&of_user, TIMEOUT) {
                return Ok((stream, of_user));
            }
        }
        Err(CommandError::NoDaemon { path, source: error })
    }

    /// Whether the command line names no daemon.
    pub(crate) fn is_default(&self) -> bool {
        self.control_socket.is_none() && !self.user
    }

    /// Whether this user's own daemon is meant.
    pub(crate) fn is_users(&self) -> bool {
        self.user
    }

    /// The sockets of this user's own daemon.
    pub(crate) fn of_user() -> Self {
        Self { control_socket: None, user: true }
    }

    /// Where the status socket may be.
    pub(crate) fn status(&self) -> Vec<PathBuf> {
        match &self.control_socket {
            _ if self.user => Vec::new(),
            Some(control) => vec![control.with_file_name("status.sock")],
            None => STATUS_SOCKETS.iter().map(PathBuf::from).collect(),
        }
    }

    /// The control socket, or the default one.
    pub(crate) fn control(&self) -> PathBuf {
        match &self.control_socket {
            _ if self.user => user_dirs::control_socket(),
            Some(control) => control.clone(),
            None => DEFAULT_SOCKET.into(),
        }
    }
}

/// The daemon's status.
///
/// # Errors
/// Where no daemon answers, or its answer is something else.
pub(crate) fn status(sockets: &Sockets) -> Result<Status, CommandError> {
    match ask(sockets, Control::Status)?.0 {
        Answer::Status(status) => Ok(*status),
        other => Err(refused(other)),
    }
}

/// The live builds and the latest ended ones.
///
/// # Errors
/// As [`status`].
pub(crate) fn builds(sockets: &Sockets) -> Result<Builds, CommandError> {
    match ask(sockets, Control::Builds)?.0 {
        Answer::Builds(builds) => Ok(builds),
        other => Err(refused(other)),
    }
}

/// The profile of one build.
///
/// # Errors
/// As [`status`]; the daemon refuses where it keeps no profile of the build.
pub(crate) fn profile(sockets: &Sockets, short: &str) -> Result<BuildProfile, CommandError> {
    match ask(sockets, Control::BuildProfile { build: short.to_owned() })? {
        (Answer::Follows(length), rest) => {
            let mut json = Vec::new();
            rest.take(length.min(limits::BUILD_PROFILE)).read_to_end(&mut json).map_err(FrameError::from)?;
            serde_json::from_slice(&json).map_err(|e| FrameError::from(e).into())
        }
        (other, _) => Err(refused(other)),
    }
}

fn refused(answer: Answer) -> CommandError {
    match answer {
        Answer::Error(error) => CommandError::Refused(error),
        Answer::Registered { .. } | Answer::Builds(_) | Answer::Status(_) | Answer::Follows(_) => {
            CommandError::Refused("its answer belongs to another request".to_owned())
        }
    }
}

fn ask(sockets: &Sockets, request: Control) -> Result<(Answer, impl BufRead), CommandError> {
    let (stream, path) = sockets.connect()?;
    transport::ask(stream, request, &[]).map_err(|e| match silence(&e) {
        Some(why) => CommandError::Silent { path, why },
        None => e.into(),
    })
}

/// How a peer showed that it does not answer; `None` where it answered something else.
fn silence(error: &FrameError) -> Option<String> {
    if error.is_timeout() {
        return Some(format!("nothing came within {} s", TIMEOUT.as_secs()));
    }
    error.is_closed().then(|| "the connection was closed".to_owned())
}

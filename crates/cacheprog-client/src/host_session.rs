//! Sessions outside of sandboxes, on a host whose daemon serves go commands there (`cacheprogd serve --host-socket`). Asks for a
//! session, and prints the shell commands that lead go commands to it. Results of tests are not exchanged there.

use std::path::{Path, PathBuf};

use proto::FrameError;
use proto::control::{Answer, Control, MOUNTED_CLIENT, Registration};

use crate::condition::variables::{Variables, value};
use crate::environment::Environment;
use crate::sandbox::is_this_program;
use crate::setup_hook::shell::quoted;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSession {
    /// No daemon listens, or it does not answer.
    #[error(
        "no session: no daemon at {}: {cause}; set NIX_GOCACHEPROG_HOST, or see docs/how-to/without-a-sandbox.md",
        socket.display()
    )]
    NoDaemon {
        /// The socket that was tried.
        socket: PathBuf,
        /// What failed.
        cause: String,
    },
    /// The daemon refuses.
    #[error("no session: the daemon refused: {0}")]
    Refused(String),
    /// A go command could not start this program.
    #[error("no session: the path of this program is not known, or not UTF-8")]
    NoProgram,
}

/// The shell commands that lead to a session.
pub(crate) fn commands(environment: &Environment, variables: &Variables) -> Result<String, NoSession> {
    // Where the host has a link to this client, that path is used: the setup hook knows it. A go command that started any other
    // file there would fail.
    let client = is_this_program(Path::new(MOUNTED_CLIENT)).then(|| MOUNTED_CLIENT.into());
    let client = client.or_else(|| std::env::current_exe().ok()).ok_or(NoSession::NoProgram)?;
    let client = client.to_str().ok_or(NoSession::NoProgram)?;
    let session = match &environment.session {
        Some(_) => String::new(),
        None => {
            let name = value(variables, "name").map_or_else(|| "session".into(), |name| name.to_string_lossy());
            let directory = register(&environment.host, &name)?;
            format!("export NIX_GOCACHEPROG_SESSION={}\n", quoted(&format!("{directory}/sock")))
        }
    };
    Ok(format!("{session}export GOCACHEPROG={}\n", quoted(client)))
}

/// The directory of a new session.
fn register(host: &Path, name: &str) -> Result<String, NoSession> {
    let registration = Registration { derivation: name.to_owned(), ..Registration::default() };
    let ask = || {
        let stream = transport::dial(host, transport::HELLO_TIMEOUT)?;
        Ok(transport::ask(stream, Control::Register(registration), &[])?.0)
    };
    match ask().map_err(|e: FrameError| NoSession::NoDaemon { socket: host.to_owned(), cause: cause(&e) })? {
        Answer::Registered { directory } => Ok(directory),
        Answer::Error(error) => Err(NoSession::Refused(error)),
        Answer::Status(_) | Answer::Builds(_) | Answer::Follows(_) => {
            Err(NoSession::Refused("its answer belongs to another request".to_owned()))
        }
    }
}

/// The system's error where there is one: "reading a frame" means nothing to a user.
fn cause(error: &FrameError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

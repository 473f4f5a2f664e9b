//! Sessions outside of sandboxes, on a host whose daemon serves go commands there (`cacheprogd serve --host-socket`). Asks for a
//! session, and prints the shell commands that lead go commands to it. Nothing is known about the environment there, so these
//! go commands share what transparent mode shares (`transparent_policy.rs`).

use std::path::Path;

use proto::FrameError;
use proto::control::{Answer, Control, MOUNTED_CLIENT, Registration};

use crate::condition::build_env::{Variables, value};
use crate::environment::Environment;
use crate::sandbox::is_this_program;
use crate::setup_hook::shell::quoted;

/// The shell commands, `None` where the host offers no sessions.
pub(crate) fn commands(environment: &Environment, variables: &Variables) -> Option<String> {
    // Where the host has a link to this client, that path is used: the setup hook knows it. A go command that started any other
    // file there would fail.
    let client = is_this_program(Path::new(MOUNTED_CLIENT)).then(|| MOUNTED_CLIENT.into());
    let client = client.or_else(|| std::env::current_exe().ok())?;
    let session = match &environment.session {
        Some(_) => String::new(),
        None => {
            let name = value(variables, "name").map_or_else(|| "session".into(), |name| name.to_string_lossy());
            let directory = register(&environment.host, &name).ok()??;
            format!("export NIX_GOCACHEPROG_SESSION={}\n", quoted(&format!("{directory}/sock")))
        }
    };
    Some(format!("{session}export GOCACHEPROG={}\n", quoted(client.to_str()?)))
}

/// The directory of a new session, `None` where the daemon refuses one.
fn register(host: &Path, name: &str) -> Result<Option<String>, FrameError> {
    let stream = transport::dial(host, transport::HELLO_TIMEOUT)?;
    let registration = Registration { derivation: name.to_owned(), chroot: None, descriptors: Vec::new() };
    Ok(match transport::ask(stream, Control::Register(registration), &[])?.0 {
        Answer::Registered { directory } => Some(directory),
        Answer::Error(_) | Answer::Status(_) | Answer::Builds(_) | Answer::Follows(_) => None,
    })
}

//! Outside of a sandbox, on a host whose daemon serves go commands there (`cacheprogd serve --host-socket`): asks for a
//! session, and prints what leads go commands to it. They share what transparent mode shares (plain.rs): of the machine
//! around them nothing is known.

use std::path::Path;

use proto::FrameError;
use proto::control::{Answer, Control, MOUNTED_CLIENT, Registration};

use crate::condition::build_env::{Variables, value};
use crate::environment::{Environment, is_this_program};
use crate::setup_hook::phases::quoted;

/// The shell commands, `None` where there is no such host.
pub(crate) fn commands(environment: &Environment, variables: &Variables) -> Option<String> {
    // A link to this client, where the host has one: the setup hook knows it by that name. Anything else that lies there would
    // end every go command.
    let client = is_this_program(Path::new(MOUNTED_CLIENT)).then(|| MOUNTED_CLIENT.into());
    let client = client.or_else(|| std::env::current_exe().ok())?;
    let session = match &environment.session {
        Some(_) => String::new(),
        None => {
            let name = value(variables, "name").map_or_else(|| "session".into(), |name| name.to_string_lossy());
            let directory = session(&environment.host, &name).ok()??;
            format!("export NIX_GOCACHEPROG_SESSION={}\n", quoted(&format!("{directory}/sock")))
        }
    };
    Some(format!("{session}export GOCACHEPROG={}\n", quoted(client.to_str()?)))
}

fn session(host: &Path, name: &str) -> Result<Option<String>, FrameError> {
    let stream = transport::dial(host, transport::HELLO)?;
    let registration = Registration { derivation: name.to_owned(), chroot: None, descriptors: Vec::new() };
    Ok(match transport::ask(stream, Control::Register(registration), &[])?.0 {
        Answer::Registered { directory } => Some(directory),
        Answer::Error(_) | Answer::Status(_) | Answer::Builds(_) | Answer::Follows(_) => None,
    })
}

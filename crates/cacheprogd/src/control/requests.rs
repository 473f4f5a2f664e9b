//! The control socket: the hook registers builds and the command line asks; only root and the daemon's own user are served.
//!
//! And the status socket, at which everyone may ask, and is told nothing that leads to a live build.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use proto::control::{Answer, Control, Sender};
use proto::wire::write_json_line;
use proto::{FrameError, limits};

use super::message::{Refusal, read, write};
use super::register::{Registrant, register};
use super::status::{redact_builds, redact_status, status};
use crate::clock;
use crate::context::Context;
use crate::net::connections::Connection;
use crate::net::deadline::DeadlineStream;
use crate::net::listeners::SocketRole;
use crate::net::peer_credentials::Peer;
use crate::telemetry::build_profile::refresh::Requester;

/// Answers one request.
///
/// # Errors
/// Where the peer sent nothing that can be answered.
pub(crate) fn serve(
    connection: &Connection,
    context: &Context,
    (peer, role): (Peer, SocketRole),
) -> Result<(), FrameError> {
    let stream = &connection.stream;
    let requester = if peer.uid == 0 || peer.is_daemon_user() { Requester::Admin } else { Requester::Anyone };
    if role == SocketRole::Control && requester != Requester::Admin {
        log::warn!("a process of uid {} connected to the control socket: refused", peer.uid);
        let refusal = "only root and the daemon's own user may use the control socket".to_owned();
        return Ok(write(stream, &Answer::Error(refusal))?);
    }
    let request = read(stream)?;
    let under_way = connection.begin_request();
    let answer = match request {
        _ if role == SocketRole::StatusDisabled => {
            Answer::Error("the settings have `status-socket = \"none\"`".to_owned())
        }
        Ok((Control::BuildProfile { build }, _)) => match context.registry.open_profile(&build, requester) {
            Ok(profile) => {
                drop(under_way);
                return send_profile(stream, profile);
            }
            Err(e) => Answer::Error(format!("no profile of build {}: {e}", build.escape_default())),
        },
        Ok((Control::Register(_), _)) if role == SocketRole::Status => {
            Answer::Error("builds are registered at the control socket".to_owned())
        }
        Ok((request, fds)) => answer(request, (fds, peer), context),
        Err(Refusal { error, version }) => {
            // Of what any user may send, nothing is kept.
            if let Some(version) = version.filter(|_| role == SocketRole::Control) {
                context.other_versions.note(Sender::HookOrCommandLine, version, clock::unix(clock::now()));
            }
            Answer::Error(error)
        }
    };
    match (&answer, role) {
        (Answer::Error(error), SocketRole::Control) => log::warn!("control: {error}"),
        // Any user may cause these.
        (Answer::Error(error), SocketRole::Status | SocketRole::StatusDisabled) => log::debug!("status: {error}"),
        _ => {}
    }
    drop(under_way); // a peer that does not read its answer counts as silent
    Ok(write(stream, &if role == SocketRole::Status { redacted(answer) } else { answer })?)
}

fn answer(request: Control, (fds, peer): (Vec<OwnedFd>, Peer), context: &Context) -> Answer {
    match request {
        Control::Register(registration) => {
            // A Nix that runs as the daemon's own user builds as that user, too.
            let by = Registrant::Build { may_prelink: !peer.is_daemon_user() };
            register(context, &registration, fds, by)
        }
        Control::Status => Answer::Status(Box::new(status(context))),
        Control::Builds => Answer::Builds(context.registry.builds()),
        Control::BuildProfile { .. } => Answer::Error("a profile follows its answer".to_owned()), // see serve
    }
}

/// Without what leads to a live build.
fn redacted(mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::Status(status) => redact_status(status),
        Answer::Builds(builds) => redact_builds(builds),
        Answer::Registered { .. } | Answer::Follows(_) | Answer::Error(_) => {}
    }
    answer
}

fn send_profile(stream: &UnixStream, profile: File) -> Result<(), FrameError> {
    let length = profile.metadata()?.len().min(limits::BUILD_PROFILE);
    let mut stream = DeadlineStream::new(stream, limits::PEER_TIMEOUT);
    write_json_line(&mut stream, &Answer::Follows(length))?;
    std::io::copy(&mut profile.take(length), &mut stream)?;
    Ok(())
}

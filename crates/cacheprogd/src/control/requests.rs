//! The control socket: the hook registers builds, the command line asks; only root and our own user are heard. And the status
//! socket, at which everyone may ask and nobody is told what leads to a live build.

use std::fs::File;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use proto::control::{Answer, Builds, Control, Envelope, Status, Trouble};
use proto::wire::{VERSION, read_json_line, write_json_line};
use proto::{FrameError, limits};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use store::{Disk, Limits, Store};

use crate::account::Asker;
use crate::clock;
use crate::deadline::Within;
use crate::error::chain;
use crate::housekeeping::Latest;
use crate::http::metrics::Latency;
use crate::meter::Meter;
use crate::peer::Peer;
use crate::registry::{RegisterError, Registry};
use crate::sessions::Connection;
use crate::sync::lock;

/// Descriptors taken from one peer: the two that a registration may have. What is more is closed.
const MOST_FDS: usize = 2;

/// Which of the two sockets, or the one for everyone while it is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Control,
    Status,
    Shut,
}

/// What the control socket works on.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) store: Arc<Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) started: Instant,
    /// Tells the loop that there is a new socket to wait on.
    pub(crate) wake: OwnedFd,
    /// Whether tests' results go from build to build.
    pub(crate) shares_tests: bool,
    /// What the store is kept within.
    pub(crate) limits: Limits,
    /// What the latest eviction did.
    pub(crate) eviction: Latest,
    /// What the cache gave, by time.
    pub(crate) meter: Meter,
    /// How long requests take.
    pub(crate) latency: Latency,
}

/// Answers one request.
///
/// # Errors
/// Where the peer said nothing that can be answered.
pub(crate) fn run(connection: &Connection, context: &Context, (peer, door): (Peer, Door)) -> Result<(), FrameError> {
    let stream = &connection.stream;
    let asker = if peer.uid == 0 || peer.is_ours() { Asker::Ours } else { Asker::Anyone };
    if door == Door::Control && asker != Asker::Ours {
        log::warn!("a process of uid {} on the control socket: refused", peer.uid);
        let refusal = "only root and the daemon's own user may use the control socket".to_owned();
        return Ok(write(stream, &Answer::Error(refusal))?);
    }
    let request = read(stream)?;
    let under_way = connection.request();
    let answer = match request {
        _ if door == Door::Shut => Answer::Error("the settings have `status-socket = \"none\"`".to_owned()),
        Ok((Control::BuildProfile { build }, _)) => match context.registry.account(&build, asker) {
            Ok(account) => {
                drop(under_way);
                return send(stream, account);
            }
            Err(e) => Answer::Error(format!("there is no account of build {}: {e}", build.escape_default())),
        },
        Ok((Control::Register(_), _)) if door == Door::Status => {
            Answer::Error("builds are registered at the control socket".to_owned())
        }
        Ok((request, fds)) => answer(request, fds, context),
        Err(error) => Answer::Error(error),
    };
    match (&answer, door) {
        (Answer::Error(error), Door::Control) => log::warn!("control: {error}"),
        (Answer::Error(error), Door::Status | Door::Shut) => log::debug!("status: {error}"), // anyone may write these
        _ => {}
    }
    drop(under_way); // whoever does not take an answer is silent
    Ok(write(stream, &if door == Door::Status { for_everyone(answer) } else { answer })?)
}

/// Writes an answer, for which its reader has so long.
///
/// # Errors
/// Where it is not taken.
pub(crate) fn write(stream: &UnixStream, answer: &Answer) -> std::io::Result<()> {
    write_json_line(Within::new(stream, limits::PEER_TIMEOUT), answer)
}

/// Reads a request with the descriptors that came along, or what is to be answered to what is none.
pub(crate) fn read(stream: &UnixStream) -> Result<Result<(Control, Vec<OwnedFd>), String>, FrameError> {
    let (line, fds) = receive(stream)?;
    Ok(match read_json_line::<Envelope>(&mut line.as_slice(), limits::HELLO_LINE) {
        Ok(Envelope { version: VERSION, request }) => Ok((request, fds)),
        Ok(Envelope { version, .. }) => {
            Err(format!("the request is of version {version}, this daemon of {VERSION}: use programs of one package"))
        }
        Err(e) => Err(format!("not a request: {}", chain(&e))),
    })
}

/// Without the ids of builds: who knows one finds the build's socket, for as long as that is there.
fn for_everyone(mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::Status(status) => hide_ways(status),
        Answer::Builds(builds) => hide_ids(builds),
        Answer::Registered { .. } | Answer::Follows(_) | Answer::Error(_) => {}
    }
    answer
}

fn hide_ways(status: &mut Status) {
    status.trouble.iter_mut().for_each(without_path);
    hide_ids(&mut status.builds);
}

fn hide_ids(builds: &mut Builds) {
    builds.live.iter_mut().chain(&mut builds.ended).for_each(|build| build.id.clear());
}

/// What went wrong, but not where: that may be in the directory of a live build.
fn without_path(trouble: &mut Trouble) {
    trouble.latest = trouble.latest.rsplit(": ").next().unwrap_or_default().to_owned();
}

fn send(stream: &UnixStream, account: File) -> Result<(), FrameError> {
    let length = account.metadata()?.len().min(limits::BUILD_PROFILE);
    let mut stream = Within::new(stream, limits::PEER_TIMEOUT);
    write_json_line(&mut stream, &Answer::Follows(length))?;
    std::io::copy(&mut account.take(length), &mut stream)?;
    Ok(())
}

fn answer(request: Control, fds: Vec<OwnedFd>, context: &Context) -> Answer {
    match request {
        Control::Register(registration) => registered(context, context.registry.register(&registration, fds, None)),
        Control::Status => Answer::Status(Box::new(status(context))),
        Control::Builds => Answer::Builds(context.registry.builds()),
        Control::BuildProfile { .. } => Answer::Error("an account is sent, not answered".to_owned()), // see run
    }
}

/// The status, without what leads to live builds.
pub(crate) fn for_everyone_status(context: &Context) -> Status {
    let mut status = status(context);
    hide_ways(&mut status);
    status
}

pub(crate) fn status(context: &Context) -> Status {
    context.store.counters().reload(); // should `cacheprogctl gc` have been at work
    let totals = context.store.counters().totals();
    let disk = Disk::of(context.store.root()).ok();
    context.meter.turn(context.registry.totals(), clock::now());
    Status {
        daemon: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: context.started.elapsed().as_secs(),
        entries: totals.entries,
        objects: totals.objects,
        bytes: totals.bytes,
        max_bytes: disk.and_then(|disk| context.limits.max_size(disk)),
        free_bytes: disk.map_or(0, |disk| disk.free),
        min_free_bytes: disk.map_or(0, |disk| context.limits.min_free(disk)),
        eviction: *lock(&context.eviction),
        trouble: context.registry.trouble(),
        usage: context.meter.usage(clock::now()),
        builds: context.registry.builds(),
    }
}

/// What a registration is answered with.
pub(crate) fn registered(context: &Context, outcome: Result<String, RegisterError>) -> Answer {
    match outcome {
        Ok(directory) => {
            // Should this fail, the loop finds the new socket at its next turn, within a second.
            let _late = rustix::io::write(&context.wake, &1u64.to_ne_bytes());
            Answer::Registered { directory }
        }
        Err(e) => Answer::Error(chain(&e)),
    }
}

/// Reads up to the end of the first line, with the descriptors that came along. All of it has to come within the time of a hello.
fn receive(stream: &UnixStream) -> Result<(Vec<u8>, Vec<OwnedFd>), FrameError> {
    let (mut line, mut fds) = (Vec::new(), Vec::new());
    let within = Within::new(stream, limits::PEER_TIMEOUT);
    let mut piece = [0; 4096];
    while !line.contains(&b'\n') {
        if line.len() > limits::HELLO_LINE {
            return Err(FrameError::LineTooLong(limits::HELLO_LINE));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        stream.set_read_timeout(within.left()?)?;
        let received = recvmsg(stream, &mut [IoSliceMut::new(&mut piece)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        let received = match received {
            Err(Errno::INTR) => continue, // the daemon was stopped and goes on, say
            received => received.map_err(std::io::Error::from)?,
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
                fds.truncate(MOST_FDS);
            }
        }
        if received.bytes == 0 {
            return Err(FrameError::Truncated);
        }
        line.extend_from_slice(&piece[..received.bytes]);
    }
    Ok((line, fds))
}

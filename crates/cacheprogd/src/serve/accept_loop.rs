//! The loop that waits on every socket, accepts connections, and tidies up between. Each connection is served by a thread of its
//! own (sessions.rs), so that nothing here waits for a peer.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sd_notify::NotifyState;

use crate::build::Build;
use crate::control::{self, Context, Door};
use crate::error::{CommandError, chain};
use crate::housekeeping::Housekeeping;
use crate::http;
use crate::idle::Idle;
use crate::listener::Sockets;
use crate::order::Syncing;
use crate::pause::Pause;
use crate::peer::Peer;
use crate::serve::notify;
use crate::sessions::{Connection, Owner, Sessions};
use crate::{clock, host, session};

/// The loop's turn where nothing happens: how late the end of a build is seen.
const TURN: Duration = Duration::from_secs(1);

/// Connections at once, of all builds and of one: 64 go commands at once were seen to be the most of a build. All builds
/// together are far from them, so that one has its most; the more there are, the less each may have (`connection_table.rs`).
const MOST_SESSIONS: usize = 1024;
const MOST_OF_A_BUILD: usize = 256;

/// Connections of sessions outside of sandboxes, which any user may open: none of them keeps a build in a sandbox out.
const MOST_GUESTS: usize = 512;
const MOST_OF_A_GUEST: usize = 256;

/// Connections to the control socket, counted apart so that no build can keep the hook out; to the host's; and to the socket
/// that is open to every user. A user alone has half of them, as the others are kept for whoever else comes.
const MOST_CONTROLS: usize = 128;
const MOST_HOSTS: usize = 128;
const MOST_LOOKS: usize = 32;

/// Connections accepted from one socket before the others have their turn.
const AT_A_TIME: usize = 32;

/// What the loop sees to beside its sockets.
#[derive(Debug)]
pub(crate) struct Chores {
    pub(crate) syncing: Syncing,
    pub(crate) housekeeping: Housekeeping,
    pub(crate) idle: Idle,
}

/// All that is served.
#[derive(Debug)]
pub(crate) struct Server {
    context: Arc<Context>,
    sockets: Sockets,
    http: Option<http::Server>,
    sessions: Arc<Sessions>,
    guests: Arc<Sessions>,
    controls: Arc<Sessions>,
    hosts: Arc<Sessions>,
    looks: Arc<Sessions>,
}

/// What may be ready.
#[derive(Debug)]
enum Source<'a> {
    Signal(&'a SignalFd),
    Wake(&'a OwnedFd),
    Control(&'a UnixListener),
    Status(&'a UnixListener, Door),
    Host(&'a UnixListener),
    Http(&'a http::Server),
    Build(Arc<Build>),
}

impl AsFd for Source<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Signal(signals) => signals.as_fd(),
            Self::Wake(wake) => wake.as_fd(),
            Self::Control(listener) | Self::Status(listener, _) | Self::Host(listener) => listener.as_fd(),
            Self::Http(http) => http.fd(),
            Self::Build(build) => build.listener.as_fd(),
        }
    }
}

impl Server {
    pub(crate) fn new(context: Arc<Context>, sockets: Sockets, http: Option<http::Server>) -> Self {
        Self {
            context,
            sockets,
            http,
            sessions: Sessions::new(MOST_SESSIONS, MOST_OF_A_BUILD),
            guests: Sessions::new(MOST_GUESTS, MOST_OF_A_GUEST),
            controls: Sessions::new(MOST_CONTROLS, MOST_CONTROLS),
            hosts: Sessions::new(MOST_HOSTS, MOST_HOSTS),
            looks: Sessions::new(MOST_LOOKS, MOST_LOOKS),
        }
    }

    /// Serves until SIGTERM or SIGINT comes, or for lack of work.
    ///
    /// # Errors
    /// Where the system takes away what the loop needs.
    pub(crate) fn turn_until_signal(&self, signals: &SignalFd, chores: &mut Chores) -> Result<(), CommandError> {
        let (mut swept, mut pause) = (Instant::now(), Pause::default());
        loop {
            let ready = self.wait(signals, pause.left(Instant::now()))?;
            if ready.iter().any(|source| matches!(source, Source::Signal(_))) {
                return Ok(());
            }
            // Each for itself: one listener that fails whatever is done keeps no other from being served.
            if let Some(e) = ready.iter().filter_map(|source| self.take(source).err()).last() {
                if pause.failed(Instant::now()) {
                    log::error!("accepting a connection: {e}; they wait until it is possible again");
                }
                log::debug!("accepting a connection: {e}");
            }
            let is_asked = ready.iter().any(|source| matches!(source, Source::Control(_)));
            let is_open = [&self.controls, &self.looks, &self.hosts].iter().any(|open| open.are_open());
            let is_busy = is_asked || is_open || chores.housekeeping.is_running() || !self.context.registry.is_empty();
            if chores.idle.is_over(is_busy, Instant::now()) {
                log::info!("nobody needs it");
                return Ok(());
            }
            if swept.elapsed() >= TURN {
                swept = Instant::now();
                self.tidy(chores);
            }
        }
    }

    /// Lets the sessions answer what they have read, and end. Whether all have ended.
    pub(crate) fn finish(&self) -> bool {
        self.sessions.finish() & self.guests.finish()
    }

    /// Removes the sockets that this daemon made.
    pub(crate) fn unlink(&self) {
        self.sockets.unlink();
    }

    fn tidy(&self, chores: &mut Chores) {
        self.context.registry.sweep(clock::now());
        let totals = self.context.registry.totals();
        chores.syncing.turn(totals.1.puts);
        chores.housekeeping.turn();
        self.context.meter.turn(totals, clock::now());
        notify(&[NotifyState::Watchdog]);
    }

    /// What is ready, after a turn at most; in a pause no listener is looked at.
    fn wait<'a>(&'a self, signals: &'a SignalFd, pause: Option<Duration>) -> Result<Vec<Source<'a>>, CommandError> {
        let mut sources = vec![Source::Signal(signals), Source::Wake(&self.context.wake)];
        if pause.is_none() {
            sources.push(Source::Control(&self.sockets.control.listener));
            sources.extend(self.context.registry.live().into_iter().map(Source::Build));
            sources.extend(self.sockets.status.iter().map(|(status, door)| Source::Status(&status.listener, *door)));
            sources.extend(self.sockets.host.iter().map(|host| Source::Host(&host.listener)));
            sources.extend(self.http.iter().map(Source::Http));
        }
        let longest = pause.map_or(TURN, |pause| pause.min(TURN));
        let timeout = Timespec { tv_sec: longest.as_secs().cast_signed(), tv_nsec: longest.subsec_nanos().into() };
        let mut fds: Vec<_> = sources.iter().map(|source| PollFd::new(source, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(CommandError::System("waiting for connections", e.into())),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>().into_iter();
        sources.retain(|_| ready.next() == Some(true));
        Ok(sources)
    }

    /// Accepts whoever waits there.
    ///
    /// # Errors
    /// Where none can be accepted now, whoever waits.
    fn take(&self, source: &Source<'_>) -> io::Result<()> {
        match source {
            Source::Signal(_) => Ok(()),
            Source::Wake(wake) => {
                let _count = rustix::io::read(wake, &mut [0u8; 8]); // it only had to wake us
                Ok(())
            }
            Source::Control(listener) => self.accept_control(listener, &self.controls, Door::Control),
            Source::Status(listener, door) => self.accept_control(listener, &self.looks, *door),
            Source::Host(listener) => self.accept_host(listener),
            Source::Http(http) => http.accept(&self.context),
            Source::Build(build) => self.accept_session(build),
        }
    }

    fn accept_control(&self, listener: &UnixListener, connections: &Arc<Sessions>, door: Door) -> io::Result<()> {
        each_connection(listener, |stream| {
            let Ok(peer) = Peer::of(&stream) else { return };
            let context = self.context.clone();
            let serve = move |connection: &Connection| {
                let served = control::run(connection, &context, (peer, door));
                served.unwrap_or_else(|e| log::debug!("control: {}", chain(&e)));
            };
            if !connections.start("control", (stream, Owner::User(peer.uid)), serve) {
                log::debug!("no room for another connection of uid {}: turned away", peer.uid);
            }
        })
    }

    fn accept_host(&self, listener: &UnixListener) -> io::Result<()> {
        each_connection(listener, |stream| {
            let Ok(peer) = Peer::of(&stream) else { return };
            let context = self.context.clone();
            let serve = move |connection: &Connection| {
                let served = host::run(connection, &context, peer);
                served.unwrap_or_else(|e| log::debug!("host: {}", chain(&e)));
            };
            if !self.hosts.start("host", (stream, Owner::User(peer.uid)), serve) {
                log::debug!("no room for another connection of uid {}: turned away", peer.uid);
            }
        })
    }

    fn accept_session(&self, build: &Arc<Build>) -> io::Result<()> {
        each_connection(&build.listener, |stream| {
            if let Some(owner) = build.owner()
                && Peer::of(&stream).map_or(true, |peer| peer.uid != owner)
            {
                build.complain(format_args!("a session of another user's is turned away"));
                return;
            }
            let (sessions, owner) = match build.owner() {
                Some(uid) => (&self.guests, Owner::User(uid)),
                None => (&self.sessions, Owner::Build(build.id())),
            };
            let (context, served) = (self.context.clone(), build.clone());
            let serve = move |connection: &Connection| {
                let _entered = served.enter();
                let outcome = session::run(connection, &context, &served);
                if connection.was_closed() {
                    served
                        .complain(format_args!("of its sessions the longest silent one was closed: others need room"));
                } else if let Err(e) = outcome {
                    served.complain(format_args!("a session ended: {}", chain(&e)));
                }
            };
            if !sessions.start("session", (stream, owner), serve) {
                build.complain(format_args!("it has as many sessions as it may now: one more is turned away"));
            }
        })
    }
}

/// Accepts whoever waits, up to a number: who stays waiting is found at the next turn, after the others.
///
/// # Errors
/// Where none can be accepted now, as where there are no descriptors left.
fn each_connection(listener: &UnixListener, mut accept: impl FnMut(UnixStream)) -> io::Result<()> {
    for _ in 0..AT_A_TIME {
        match listener.accept() {
            Ok((stream, _)) => accept(stream),
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

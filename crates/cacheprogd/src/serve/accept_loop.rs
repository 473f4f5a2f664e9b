//! The loop that waits on every socket, accepts connections, and does the daemon's periodic work between.
//!
//! Each connection is served by a thread of its own (net/connections.rs), so that nothing here waits for a peer.

use std::io::{self, ErrorKind};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signalfd::SignalFd;
use proto::error::with_causes;
use sd_notify::NotifyState;

use super::poll_sources::{Source, wait};
use crate::builds::build::Build;
use crate::context::Context;
use crate::control::{host_session, requests};
use crate::error::CommandError;
use crate::limits::{
    ACCEPTS_PER_TURN, BUILD_CONNECTIONS, CONNECTIONS_PER_BUILD, CONTROL_CONNECTIONS, HOST_CONNECTIONS,
    HOST_CONNECTIONS_PER_USER, HOST_SOCKET_CONNECTIONS, LOOP_INTERVAL, STATUS_CONNECTIONS,
};
use crate::maintenance::evictor::Evictor;
use crate::maintenance::idle::Idle;
use crate::maintenance::syncer::Syncer;
use crate::maintenance::systemd::notify;
use crate::net::accept_pause::AcceptPause;
use crate::net::connections::{Connection, Connections, Owner};
use crate::net::listeners::{Listeners, SocketRole};
use crate::net::peer_credentials::Peer;
use crate::session::frames;
use crate::{clock, http};

/// The periodic work that the loop does beside its sockets.
#[derive(Debug)]
pub(crate) struct Maintenance {
    pub(crate) syncer: Syncer,
    pub(crate) evictor: Evictor,
    pub(crate) idle: Idle,
}

/// All that is served.
#[derive(Debug)]
pub(crate) struct Server {
    context: Arc<Context>,
    listeners: Listeners,
    http: Option<http::Server>,
    builds: Arc<Connections>,
    host_sessions: Arc<Connections>,
    control: Arc<Connections>,
    host: Arc<Connections>,
    status: Arc<Connections>,
}

impl Server {
    pub(crate) fn new(context: Arc<Context>, listeners: Listeners, http: Option<http::Server>) -> Self {
        Self {
            context,
            listeners,
            http,
            builds: Connections::new(BUILD_CONNECTIONS, CONNECTIONS_PER_BUILD),
            host_sessions: Connections::new(HOST_CONNECTIONS, HOST_CONNECTIONS_PER_USER),
            control: Connections::new(CONTROL_CONNECTIONS, CONTROL_CONNECTIONS),
            host: Connections::new(HOST_SOCKET_CONNECTIONS, HOST_SOCKET_CONNECTIONS),
            status: Connections::new(STATUS_CONNECTIONS, STATUS_CONNECTIONS),
        }
    }

    /// Serves until SIGTERM or SIGINT comes, or until the daemon was idle for long enough.
    ///
    /// # Errors
    /// Where the system refuses what the loop needs.
    pub(crate) fn run_until_signal(
        &self,
        signals: &SignalFd,
        maintenance: &mut Maintenance,
    ) -> Result<(), CommandError> {
        let (mut last_maintenance, mut pause) = (Instant::now(), AcceptPause::default());
        loop {
            let ready = self.wait(signals, pause.left(Instant::now()))?;
            if ready.iter().any(|source| matches!(source, Source::Signal(_))) {
                return Ok(());
            }
            // Each by itself: a listener that keeps failing does not keep the others from being served.
            if let Some(e) = ready.iter().filter_map(|source| self.accept(source).err()).last() {
                if pause.failed(Instant::now()) {
                    log::error!("cannot accept a connection: {e}; new connections wait until it is possible");
                }
                log::debug!("cannot accept a connection: {e}");
            }
            let is_asked = ready.iter().any(|source| matches!(source, Source::Control(_)));
            if maintenance.idle.is_over(is_asked || self.is_busy(maintenance), Instant::now()) {
                log::info!("idle for {} s: exiting", maintenance.idle.limit_seconds());
                return Ok(());
            }
            if last_maintenance.elapsed() >= LOOP_INTERVAL {
                last_maintenance = Instant::now();
                self.do_maintenance(maintenance);
            }
        }
    }

    /// Lets the sessions answer what they have read, and end. Whether all have ended.
    pub(crate) fn finish(&self) -> bool {
        self.builds.finish() & self.host_sessions.finish()
    }

    /// Removes the sockets that this daemon bound.
    pub(crate) fn unlink(&self) {
        self.listeners.unlink();
    }

    /// Whether there is work: a live build, an eviction, or a connection that asks.
    fn is_busy(&self, maintenance: &Maintenance) -> bool {
        let is_open = [&self.control, &self.status, &self.host].iter().any(|connections| connections.are_open());
        let is_uploading = self.context.remote.as_ref().is_some_and(|remote| remote.is_busy());
        is_open || is_uploading || maintenance.evictor.is_running() || !self.context.registry.is_empty()
    }

    fn do_maintenance(&self, maintenance: &mut Maintenance) {
        let ended = self.context.registry.sweep(clock::now());
        if let Some(remote) = &self.context.remote {
            ended.iter().filter(|name| remote.writes(name)).for_each(|name| remote.queue(name));
            remote.poll();
        }
        let totals = self.context.registry.totals();
        maintenance.syncer.poll(totals.1.puts + self.context.layers.copied());
        maintenance.evictor.poll();
        self.context.usage.record(totals, clock::now());
        notify(&[NotifyState::Watchdog]);
    }

    /// What is ready, after [`LOOP_INTERVAL`] at most; during a pause no listener is waited on.
    fn wait<'a>(&'a self, signals: &'a SignalFd, pause: Option<Duration>) -> Result<Vec<Source<'a>>, CommandError> {
        let mut sources = vec![Source::Signal(signals), Source::Wake(&self.context.wake)];
        if pause.is_none() {
            let Listeners { control, status, host } = &self.listeners;
            sources.push(Source::Control(&control.listener));
            sources.extend(self.context.registry.live().into_iter().map(Source::Build));
            sources.extend(status.iter().map(|(status, role)| Source::Status(&status.listener, *role)));
            sources.extend(host.iter().map(|host| Source::Host(&host.listener)));
            sources.extend(self.http.iter().map(Source::Http));
        }
        wait(sources, pause.map_or(LOOP_INTERVAL, |pause| pause.min(LOOP_INTERVAL)))
    }

    /// Accepts the connections that wait there.
    ///
    /// # Errors
    /// Where none can be accepted now.
    fn accept(&self, source: &Source<'_>) -> io::Result<()> {
        match source {
            Source::Signal(_) => Ok(()),
            Source::Wake(wake) => {
                let _count = rustix::io::read(wake, &mut [0u8; 8]); // it only had to wake us
                Ok(())
            }
            Source::Control(listener) => self.accept_control(listener, &self.control, SocketRole::Control),
            Source::Status(listener, role) => self.accept_control(listener, &self.status, *role),
            Source::Host(listener) => self.accept_host(listener),
            Source::Http(http) => http.accept(&self.context),
            Source::Build(build) => self.accept_session(build),
        }
    }

    fn accept_control(
        &self,
        listener: &UnixListener,
        connections: &Arc<Connections>,
        role: SocketRole,
    ) -> io::Result<()> {
        each_connection(listener, |stream| {
            let Ok(peer) = Peer::of(&stream) else { return };
            let context = self.context.clone();
            let serve = move |connection: &Connection| {
                let served = requests::serve(connection, &context, (peer, role));
                served.unwrap_or_else(|e| log::debug!("control: {}", with_causes(&e)));
            };
            if !connections.start("control", (stream, Owner::User(peer.uid)), serve) {
                log::debug!("{role:?}: connection limit reached: refusing uid {}", peer.uid);
            }
        })
    }

    fn accept_host(&self, listener: &UnixListener) -> io::Result<()> {
        each_connection(listener, |stream| {
            let Ok(peer) = Peer::of(&stream) else { return };
            let context = self.context.clone();
            let serve = move |connection: &Connection| {
                let served = host_session::serve(connection, &context, peer);
                served.unwrap_or_else(|e| log::debug!("host: {}", with_causes(&e)));
            };
            if !self.host.start("host", (stream, Owner::User(peer.uid)), serve) {
                log::debug!(
                    "connection limit reached (its share of {HOST_SOCKET_CONNECTIONS}): refusing uid {}",
                    peer.uid
                );
            }
        })
    }

    fn accept_session(&self, build: &Arc<Build>) -> io::Result<()> {
        each_connection(&build.listener, |stream| {
            if let Some(owner) = build.owner()
                && Peer::of(&stream).map_or(true, |peer| peer.uid != owner)
            {
                build.warn_rate_limited(format_args!("a connection of another user: refused"));
                return;
            }
            let (connections, owner, limits) = match build.owner() {
                Some(uid) => (&self.host_sessions, Owner::User(uid), [HOST_CONNECTIONS_PER_USER, HOST_CONNECTIONS]),
                None => (&self.builds, Owner::Build(build.id()), [CONNECTIONS_PER_BUILD, BUILD_CONNECTIONS]),
            };
            let (context, served) = (self.context.clone(), build.clone());
            let serve = move |connection: &Connection| {
                let _guard = served.begin_session();
                let outcome = frames::serve(connection, &context, &served);
                if connection.was_closed() {
                    served.warn_rate_limited(format_args!(
                        "connection limit reached (its share of {}): closed its longest silent session for another build",
                        limits[1]
                    ));
                } else if let Err(e) = outcome {
                    served.warn_rate_limited(format_args!("a session ended: {}", with_causes(&e)));
                }
            };
            if !connections.start("session", (stream, owner), serve) {
                build.warn_rate_limited(format_args!(
                    "connection limit reached (its share of {}, at most {}): refusing a session",
                    limits[1], limits[0]
                ));
            }
        })
    }
}

/// Accepts the connections that wait, up to a number: the others are found at the next turn, after those of other sockets.
///
/// # Errors
/// Where none can be accepted now, as where there are no descriptors left.
fn each_connection(listener: &UnixListener, mut accept: impl FnMut(UnixStream)) -> io::Result<()> {
    for _ in 0..ACCEPTS_PER_TURN {
        match listener.accept() {
            Ok((stream, _)) => accept(stream),
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

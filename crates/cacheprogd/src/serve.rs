//! `cacheprogd serve`: one loop that waits on every socket, starts a thread for each connection, and tidies up.
//!
//! Threads: this loop, one named thread a connection, and short ones that remove what is over ("removal") or bring what was
//! written to the disk ("sync"). Only the loop accepts and only it removes builds.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use store::{Access, Disk, Store};

use crate::build::Build;
use crate::control::{self, Context, Door};
use crate::error::{CommandError, chain};
use crate::gc::Keep;
use crate::housekeeping::Housekeeping;
use crate::http;
use crate::http::metrics::Latency;
use crate::idle::Idle;
use crate::listener::Sockets;
use crate::meter::Meter;
use crate::order::{self, Syncing};
use crate::peer::Peer;
use crate::registry::{Registry, remove_in_background};
use crate::sessions::Sessions;
use crate::settings::OrNone;
use crate::{clock, host, listener, session};

/// The loop's turn where nothing happens: how late the end of a build is seen.
const TURN: Duration = Duration::from_secs(1);

/// Connections at once, of all builds and of one: 64 go commands at once were seen to be the most of a build. Those of
/// the control socket are counted apart, so that no build can keep the hook out.
const MOST_SESSIONS: usize = 1024;
const MOST_OF_A_BUILD: u64 = 256;
const MOST_CONTROLS: usize = 64;
const MOST_HOSTS: usize = 64;

/// Connections of sessions outside of sandboxes, which any user may open: none of them keeps a build in a sandbox out.
const MOST_GUESTS: usize = 256;
const MOST_LOOKS: usize = 16;

/// Connections accepted from one socket before the others have their turn.
const AT_A_TIME: usize = 32;

/// Where `serve` listens and keeps its state.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Make the control socket here, where systemd hands over none.
    #[arg(long, value_name = "PATH")]
    pub(crate) control_socket: Option<PathBuf>,
    /// Keep the cache here.
    #[arg(long, value_name = "DIR", env = "CACHE_DIRECTORY")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Make the socket here at which everyone may ask for status, builds and why; or none. [default: status.sock beside the
    /// control socket]
    #[arg(long, value_name = "PATH")]
    pub(crate) status_socket: Option<OrNone<PathBuf>>,
    /// Serve metrics and a page over HTTP here: `127.0.0.1:9417`, or a socket's absolute path. Whoever reaches it may read them.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<String>,
    #[command(flatten)]
    pub(crate) keep: Keep,
    /// Serve go commands outside of sandboxes too, of any user, at this socket.
    #[arg(long, value_name = "PATH")]
    pub(crate) host_socket: Option<PathBuf>,
    /// End after this long without a live build, where systemd has the control socket and starts the daemon again.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_exit: Option<u64>,
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// A [`CommandError`] where it cannot start, or the system takes away what the loop needs.
pub(crate) fn run(args: &Serve) -> Result<(), CommandError> {
    let signals = block_signals()?; // before the first thread, which inherits it
    let state_dir = args.state_dir.as_deref().ok_or(CommandError::NoStateDir)?;
    let settings = args.keep.settings()?;
    let store = Store::open(state_dir, Access::Traversable)?;
    if let Ok(disk) = Disk::of(store.root()) {
        settings.caps().check(disk).map_err(CommandError::Limits)?;
    }
    if store.root().to_str().is_none() {
        return Err(CommandError::NotText { path: store.root().to_owned() }); // it could not be told to the hook
    }
    let _locked = lock_state(&store)?;
    let (store, syncing) = order::take_over(store)?;
    raise_file_limit();
    remove_in_background(store.leftovers()?);
    // Live builds first: who reaches the control socket finds all of them.
    let registry = Arc::new(Registry::restore(store.clone())?);
    let status = status_socket(args.status_socket.clone().or(settings.status_socket.clone()));
    let sockets = Sockets::take(args.control_socket.as_deref(), &status, args.host_socket.as_deref())?;
    // A service without a network has no port, and another may have it: builds are served all the same.
    let listen = |at: &String| http::Server::listen(at).inspect_err(|e| log::error!("no metrics: {}", chain(e))).ok();
    let http = args.http.as_ref().or(settings.http.as_ref()).and_then(listen);
    // Nobody starts a daemon that ended for who asks there.
    let may_end = sockets.are_inherited() && http.is_none();
    let longest = args.idle_exit.filter(|_| may_end).map(Duration::from_secs);
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|e| CommandError::System("making an eventfd", e.into()))?;
    let housekeeping = Housekeeping::new(store.clone(), settings.caps(), syncing.was_clean());
    let meter = Meter::load(store.clone(), registry.totals(), clock::now());
    let context = Arc::new(Context {
        store,
        meter,
        latency: Latency::default(),
        registry: registry.clone(),
        started: Instant::now(),
        wake,
        shares_tests: !settings.private_tests,
        caps: settings.caps(),
        eviction: housekeeping.latest(),
    });
    let [sessions, guests, controls, looks, hosts] =
        [MOST_SESSIONS, MOST_GUESTS, MOST_CONTROLS, MOST_LOOKS, MOST_HOSTS].map(Sessions::new);
    let server = Server { context: context.clone(), sessions, guests, controls, looks, hosts, http };
    let mut chores = Chores { syncing, housekeeping, idle: Idle::new(longest, Instant::now()) };
    notify(&[NotifyState::Ready]);
    log::info!("cacheprogd {} serves {}", env!("CARGO_PKG_VERSION"), state_dir.display());
    let ended = server.turn_until_signal(&sockets, &signals, &mut chores);
    let Chores { syncing, housekeeping, .. } = chores;
    notify(&[NotifyState::Stopping]);
    let all_ended = server.sessions.finish() & server.guests.finish();
    housekeeping.finish();
    registry.save();
    context.meter.turn(registry.totals(), clock::now());
    context.meter.save();
    if all_ended {
        syncing.finish();
    }
    sockets.unlink();
    log::info!("cacheprogd stops");
    ended
}

fn status_socket(setting: Option<OrNone<PathBuf>>) -> listener::Status {
    match setting {
        None => listener::Status::Usual,
        Some(OrNone(None)) => listener::Status::Nowhere,
        Some(OrNone(Some(path))) => listener::Status::At(path),
    }
}

fn block_signals() -> Result<SignalFd, CommandError> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask.add(Signal::SIGINT);
    let blocked = mask.thread_block().and_then(|()| SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC));
    blocked.map_err(|e| CommandError::System("blocking signals", e.into()))
}

/// A thousand sessions and builds need more descriptors than a shell's usual 1024; the hard limit is what we may have.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        log::warn!("raising the limit of open files: {e}");
    }
}

/// Two daemons on one state directory would take each other's sockets away.
fn lock_state(store: &Store) -> Result<File, CommandError> {
    let path = store.root().join("lock");
    let system = |e| CommandError::System("locking the state directory", e);
    if !path.exists() {
        File::create(&path).map_err(system)?;
    }
    // For reading: a file that is open for writing would keep its file system from being made read-only.
    let file = File::open(&path).map_err(system)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(CommandError::Locked { path: store.root().to_owned() }),
        Err(std::fs::TryLockError::Error(e)) => Err(system(e)),
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        log::warn!("telling systemd: {e}");
    }
}

/// What the loop sees to beside its sockets.
struct Chores {
    syncing: Syncing,
    housekeeping: Housekeeping,
    idle: Idle,
}

struct Server {
    context: Arc<Context>,
    sessions: Arc<Sessions>,
    guests: Arc<Sessions>,
    controls: Arc<Sessions>,
    hosts: Arc<Sessions>,
    looks: Arc<Sessions>,
    http: Option<http::Server>,
}

impl Server {
    fn turn_until_signal(
        &self,
        sockets: &Sockets,
        signals: &SignalFd,
        chores: &mut Chores,
    ) -> Result<(), CommandError> {
        let timeout = Timespec { tv_sec: TURN.as_secs().cast_signed(), tv_nsec: 0 };
        let mut swept = Instant::now();
        loop {
            let builds = self.context.registry.live();
            let control = &sockets.control.listener;
            let fixed = [signals.as_fd(), self.context.wake.as_fd(), control.as_fd()];
            let of_builds = builds.iter().map(|build| build.listener.as_fd());
            let status = sockets.status.as_ref().map(|(status, door)| (&status.listener, *door));
            let host = sockets.host.as_ref().map(|host| &host.listener);
            let http = self.http.as_ref();
            let others = [status.map(|(status, _)| status.as_fd()), host.map(AsFd::as_fd), http.map(http::Server::fd)];
            let all = fixed.into_iter().chain(of_builds).chain(others.into_iter().flatten());
            let mut fds: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
            match poll(&mut fds, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(CommandError::System("waiting for connections", e.into())),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            if ready[0] {
                return Ok(());
            }
            if ready[1] {
                let _count = rustix::io::read(&self.context.wake, &mut [0u8; 8]); // it only had to wake us
            }
            if ready[2] {
                self.accept_control(control, &self.controls, Door::Control);
            }
            for (build, _) in builds.iter().zip(&ready[3..]).filter(|(_, ready)| **ready) {
                self.accept_session(build);
            }
            let mut others = ready[3 + builds.len()..].iter().copied(); // in their order, those that there are
            let mut is_ready = |is_there: bool| is_there && others.next() == Some(true);
            if is_ready(status.is_some()) {
                status.iter().for_each(|(status, door)| self.accept_control(status, &self.looks, *door));
            }
            if is_ready(host.is_some()) {
                host.iter().for_each(|host| self.accept_host(host));
            }
            if is_ready(http.is_some()) {
                http.iter().for_each(|http| http.accept(&self.context));
            }
            let is_served = ready[2] || [&self.controls, &self.looks, &self.hosts].iter().any(|open| open.are_open());
            let is_busy = is_served || chores.housekeeping.is_running() || !self.context.registry.is_empty();
            if chores.idle.is_over(is_busy, Instant::now()) {
                log::info!("nobody needs it");
                return Ok(());
            }
            if swept.elapsed() >= TURN {
                swept = Instant::now();
                self.context.registry.sweep(clock::now());
                let totals = self.context.registry.totals();
                chores.syncing.turn(totals.1.puts);
                chores.housekeeping.turn();
                self.context.meter.turn(totals, clock::now());
                notify(&[NotifyState::Watchdog]);
            }
        }
    }

    fn accept_control(&self, listener: &UnixListener, connections: &Arc<Sessions>, door: Door) {
        each_connection(listener, |stream| {
            let context = self.context.clone();
            connections.start("control", stream, move |stream| {
                control::run(stream, &context, door).unwrap_or_else(|e| log::debug!("control: {}", chain(&e)));
            });
        });
    }

    fn accept_host(&self, listener: &UnixListener) {
        each_connection(listener, |stream| {
            let context = self.context.clone();
            self.hosts.start("host", stream, move |stream| {
                host::run(stream, &context).unwrap_or_else(|e| log::debug!("host: {}", chain(&e)));
            });
        });
    }

    fn accept_session(&self, build: &Arc<Build>) {
        each_connection(&build.listener, |stream| {
            if build.sessions() >= MOST_OF_A_BUILD {
                build.complain(format_args!("over {MOST_OF_A_BUILD} sessions at once are turned away"));
                return;
            }
            if let Some(owner) = build.owner()
                && Peer::of(&stream).map_or(true, |peer| peer.uid != owner)
            {
                build.complain(format_args!("a session of another user's is turned away"));
                return;
            }
            let (context, build, entered) = (self.context.clone(), build.clone(), build.enter());
            let sessions = if build.owner().is_some() { &self.guests } else { &self.sessions };
            sessions.start("session", stream, move |stream| {
                let _entered = entered;
                let outcome = session::run(stream, &context, &build);
                if let Err(e) = outcome {
                    build.complain(format_args!("a session ended: {}", chain(&e)));
                }
            });
        });
    }
}

/// Accepts whoever waits, up to a number: who stays waiting is found at the next turn, after the others. Trouble (too many
/// open files, say) is logged and given a moment: the others are served.
fn each_connection(listener: &UnixListener, mut accept: impl FnMut(UnixStream)) {
    for _ in 0..AT_A_TIME {
        match listener.accept() {
            Ok((stream, _)) => accept(stream),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
            Err(e) => {
                log::error!("accepting a connection: {e}");
                thread::sleep(Duration::from_millis(50));
                return;
            }
        }
    }
}

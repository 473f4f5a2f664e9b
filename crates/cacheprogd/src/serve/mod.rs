//! `cacheprogd serve`: what is to be there before the loop of accept.rs begins, and what is left to do after it.
//!
//! Threads: the loop, one named thread a connection, a second one ("aside") for a session whose objects have to be read first, and
//! short ones that remove what is over ("removal") or bring what was written to the disk ("sync"). Only the loop accepts and only it removes builds.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use settings::{LimitOptions, OrNone};
use store::{Access, Disk, Store};

use crate::accept::{Chores, Server};
use crate::control::Context;
use crate::error::{CommandError, chain};
use crate::housekeeping::Housekeeping;
use crate::http::metrics::Latency;
use crate::idle::Idle;
use crate::listener::Sockets;
use crate::meter::Meter;
use crate::order;
use crate::registry::{Registry, boot_id, remove_in_background};
use crate::{clock, http, listener};

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
    pub(crate) limits: LimitOptions,
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
    let settings = args.limits.settings()?;
    let (store, _locked) = open_alone(state_dir)?;
    if let Ok(disk) = Disk::of(store.root()) {
        settings.limits().check(disk).map_err(CommandError::Limits)?;
    }
    if store.root().to_str().is_none() {
        return Err(CommandError::NotText { path: store.root().to_owned() }); // it could not be told to the hook
    }
    if store.had_former_format() {
        log::warn!("{}: {}", state_dir.display(), store::FORMER_FORMAT_NOTICE);
    }
    let (store, syncing) = order::take_over(store, &boot_id().unwrap_or_default(), order::syncfs)?;
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
    let housekeeping =
        Housekeeping::new(store.clone(), settings.limits(), syncing.was_clean() && !store.had_former_format());
    let meter = Meter::load(store.clone(), registry.totals(), clock::now());
    let context = Arc::new(Context {
        store,
        meter,
        latency: Latency::default(),
        registry: registry.clone(),
        started: Instant::now(),
        wake,
        shares_tests: !settings.private_tests,
        limits: settings.limits(),
        eviction: housekeeping.latest(),
    });
    let server = Server::new(context.clone(), sockets, http);
    let mut chores = Chores { syncing, housekeeping, idle: Idle::new(longest, Instant::now()) };
    notify(&[NotifyState::Ready]);
    log::info!("cacheprogd {} serves {}", env!("CARGO_PKG_VERSION"), state_dir.display());
    let ended = server.turn_until_signal(&signals, &mut chores);
    let Chores { syncing, housekeeping, .. } = chores;
    notify(&[NotifyState::Stopping]);
    let all_ended = server.finish();
    housekeeping.finish();
    registry.save();
    context.meter.turn(registry.totals(), clock::now());
    context.meter.save();
    if all_ended {
        syncing.finish();
    }
    server.unlink();
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

/// Two daemons on one state directory would take each other's sockets away. The lock comes first: opening a store changes one of the
/// format before, and a daemon of an earlier version may have it.
fn open_alone(state_dir: &Path) -> Result<(Store, File), CommandError> {
    let before = lock_state(state_dir)?;
    let store = Store::open(state_dir, Access::Traversable)?;
    if let Some(held) = before {
        return Ok((store, held));
    }
    let path = store.root().join("lock");
    let system = |e| CommandError::System("locking the state directory", e);
    File::create(&path).map_err(system)?;
    let held = lock_state(store.root())?.ok_or_else(|| system(ErrorKind::NotFound.into()))?;
    Ok((store, held))
}

fn lock_state(dir: &Path) -> Result<Option<File>, CommandError> {
    settings::lock(dir, File::try_lock).map_err(|e| match e.kind() {
        ErrorKind::WouldBlock => CommandError::Locked { path: dir.to_owned() },
        _ => CommandError::System("locking the state directory", e),
    })
}

pub(crate) fn notify(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        log::warn!("telling systemd: {e}");
    }
}

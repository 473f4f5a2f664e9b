//! `cacheprogd serve`: its flags, what is made before the accept loop (`accept_loop.rs`) begins, and what is done after it ends.
//! The loop waits on the sockets of `poll_sources.rs`.
//!
//! Threads: the loop, one named thread a connection, a second one ("slow gets") for a session whose objects must be verified first,
//! and short ones that remove directories ("removal") or sync the disk ("sync"). Only the loop accepts and only it removes builds.

mod accept_loop;
mod poll_sources;

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use proto::error::with_causes;
use remote::keys::TrustedKeys;
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use settings::{HttpAddress, LimitOptions, OrNone, Remote, Settings, SocketPath, Trust, Witnesses};
use store::{Access, Disk, Store};

use crate::builds::registry::{Registry, boot_id};
use crate::builds::removal::remove_in_background;
use crate::context::Context;
use crate::error::CommandError;
use crate::layers::Layers;
use crate::maintenance::clean_shutdown;
use crate::maintenance::evictor::Evictor;
use crate::maintenance::idle::Idle;
use crate::maintenance::syncer::{self, Syncer};
use crate::maintenance::systemd::notify;
use crate::net::listeners::{Listeners, StatusSocket};
use crate::remote::removed_keys::forget_removed_keys;
use crate::remote::tier::Tier;
use crate::telemetry::latency::Latency;
use crate::telemetry::other_versions::OtherVersions;
use crate::telemetry::usage_recorder::UsageRecorder;
use crate::trust::{Policy, ShadowVerification};
use crate::{clock, http};
use accept_loop::{Maintenance, Server};

/// Where `serve` listens and keeps its state.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Make the control socket here, where systemd hands over none.
    #[arg(long, value_name = "PATH")]
    pub(crate) control_socket: Option<PathBuf>,
    /// Keep the cache here.
    #[arg(long, value_name = "DIR", env = "CACHE_DIRECTORY")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Make the socket here at which every user may ask for status, builds and why; or none. [default: status.sock beside the
    /// control socket]
    #[arg(long, value_name = "PATH")]
    pub(crate) status_socket: Option<OrNone<SocketPath>>,
    /// Serve metrics and a page over HTTP here: `127.0.0.1:9417`, or a socket's absolute path. Anyone who reaches it may read them.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<HttpAddress>,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    /// Serve go commands outside of sandboxes too, of any user, at this socket.
    #[arg(long, value_name = "PATH")]
    pub(crate) host_socket: Option<PathBuf>,
    /// Exit after this long without a live build, where systemd has the control socket and starts the daemon again.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_exit: Option<u64>,
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// A [`CommandError`] where it cannot start, or the system refuses what the loop needs.
pub(crate) fn run(args: &Serve) -> Result<(), CommandError> {
    let signals = block_signals()?; // before the first thread, which inherits it
    let state_dir = args.state_dir.as_deref().ok_or(CommandError::NoStateDir)?;
    let settings = args.limits.settings()?;
    raise_file_limit();
    let trust = settings.trust();
    // Live builds first: a peer that reaches the control socket finds all of them.
    let State { _lock, store, syncer, was_clean, registry } =
        open_state(state_dir, &settings, Policy::new(trust.clone())).map_err(|e| e.in_state_dir(state_dir))?;
    let status = status_socket(args.status_socket.clone().or(settings.status_socket.clone()));
    let listeners = Listeners::open(args.control_socket.as_deref(), &status, args.host_socket.as_deref())?;
    // A service without a network has no port, and another may have it: builds are served all the same.
    let listen = |at: &HttpAddress| {
        http::Server::listen(at).inspect_err(|e| log::error!("{}; serving no metrics", with_causes(e))).ok()
    };
    let http = args.http.as_ref().or(settings.http.as_ref()).and_then(listen);
    // An HTTP request would start no daemon.
    let may_exit = listeners.are_inherited() && http.is_none();
    let idle_exit = args.idle_exit.filter(|_| may_exit).map(Duration::from_secs);
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|e| CommandError::System("making an eventfd", e.into()))?;
    let evictor = Evictor::new(store.clone(), settings.limits(), was_clean && !store.had_former_format());
    let verification = Arc::new(ShadowVerification::load(store.clone(), trust.shadow_seconds_per_hour));
    let layers = Arc::new(Layers::open(store.clone(), &settings.layers));
    let remote = settings
        .remote
        .as_deref()
        .filter(|_| has_no_witnesses(&trust))
        .map(|remote| Arc::new(Tier::open((store.clone(), settings.limits()), remote, credentials().as_deref())));
    let usage = UsageRecorder::load(store.clone(), registry.totals(), clock::now());
    let context = Arc::new(Context {
        store,
        usage,
        verification,
        layers,
        remote,
        latency: Latency::default(),
        other_versions: OtherVersions::default(),
        registry,
        started: Instant::now(),
        wake,
        shares_tests: !settings.private_tests,
        witnesses: trust.witnesses,
        limits: settings.limits(),
        eviction: evictor.latest(),
    });
    let server = Server::new(context.clone(), listeners, http);
    let mut maintenance = Maintenance { syncer, evictor, idle: Idle::new(idle_exit, Instant::now()) };
    notify(&[NotifyState::Ready]);
    log::info!("cacheprogd {}: serving {}", env!("CARGO_PKG_VERSION"), state_dir.display());
    let outcome = server.run_until_signal(&signals, &mut maintenance);
    finish(&server, &context, maintenance);
    outcome
}

/// The shutdown: lets the sessions end, saves what the next daemon must know, and syncs.
fn finish(server: &Server, context: &Context, Maintenance { syncer, evictor, .. }: Maintenance) {
    notify(&[NotifyState::Stopping]);
    let all_ended = server.finish();
    evictor.finish();
    context.registry.save();
    context.usage.record(context.registry.totals(), clock::now());
    context.usage.save();
    context.verification.save();
    if all_ended {
        clean_shutdown::finish(&context.store, syncer);
    }
    server.unlink();
    log::info!("cacheprogd stopped");
}

/// Whether one build is enough to share an output: a second one of another machine cannot be told from the first.
fn has_no_witnesses(trust: &Trust) -> bool {
    let is_so = trust.witnesses == Witnesses::One;
    if !is_so {
        log::error!("trust.witnesses = 2 does not go with a remote store: [remote] is not used");
    }
    is_so
}

/// systemd's directory of credentials.
fn credentials() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "systemd tells it so")]
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

fn status_socket(setting: Option<OrNone<SocketPath>>) -> StatusSocket {
    match setting {
        None => StatusSocket::Default,
        Some(OrNone(None)) => StatusSocket::Disabled,
        Some(OrNone(Some(socket))) => StatusSocket::At(socket.path().to_owned()),
    }
}

fn block_signals() -> Result<SignalFd, CommandError> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask.add(Signal::SIGINT);
    let blocked = mask.thread_block().and_then(|()| SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC));
    blocked.map_err(|e| CommandError::System("blocking signals", e.into()))
}

/// A thousand sessions and builds need more descriptors than a shell's usual 1024: raises the limit to the hard limit.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        log::warn!("cannot raise the limit of open files: {e}");
    }
}

/// What a daemon has of its state directory.
struct State {
    _lock: File,
    store: Arc<Store>,
    syncer: Syncer,
    /// Whether the last daemon shut down cleanly.
    was_clean: bool,
    registry: Arc<Registry>,
}

/// Takes over what the last daemon left.
fn open_state(state_dir: &Path, settings: &Settings, policy: Policy) -> Result<State, CommandError> {
    let (store, lock) = open_locked(state_dir)?;
    if let Ok(disk) = Disk::of(store.root()) {
        settings.limits().check(disk).map_err(CommandError::Limits)?;
    }
    if store.root().to_str().is_none() {
        return Err(CommandError::NotText { path: store.root().to_owned() }); // the hook writes it as text
    }
    if store.had_former_format() {
        log::warn!("{}: {}", state_dir.display(), store::FORMER_FORMAT_NOTICE);
    }
    let (store, syncer, was_clean) = clean_shutdown::start(store, &boot_id().unwrap_or_default(), syncer::syncfs)?;
    remove_in_background(store.leftovers()?);
    let trusted = TrustedKeys::new(settings.remote.as_deref().map(Remote::trusted_public_keys).unwrap_or_default());
    forget_removed_keys(&store, &trusted);
    let registry = Arc::new(Registry::restore(store.clone(), policy, trusted.signing_keys().into())?);
    Ok(State { _lock: lock, store, syncer, was_clean, registry })
}

/// The mode of the lock: a user who can open it can hold it, and keep the daemon from starting.
const LOCK_MODE: u32 = 0o600;

/// Opens the store and locks its state directory: two daemons on one would replace each other's sockets. The lock comes first,
/// since opening a store converts one of the earlier format, and a daemon of an earlier version may use that.
fn open_locked(state_dir: &Path) -> Result<(Store, File), CommandError> {
    let before = lock_state(state_dir)?;
    let store = Store::open(state_dir, Access::Traversable)?;
    if let Some(lock) = before {
        // Of an earlier version's. On a read-only disk it stays as it is.
        drop(lock.set_permissions(Permissions::from_mode(LOCK_MODE)));
        return Ok((store, lock));
    }
    let path = store.root().join("lock");
    let system = |e| CommandError::System("locking the state directory", e);
    File::options().write(true).create(true).truncate(false).mode(LOCK_MODE).open(&path).map_err(system)?;
    let lock = lock_state(store.root())?.ok_or_else(|| system(ErrorKind::NotFound.into()))?;
    Ok((store, lock))
}

fn lock_state(dir: &Path) -> Result<Option<File>, CommandError> {
    settings::lock_state_dir(dir, File::try_lock).map_err(|e| match e.kind() {
        ErrorKind::WouldBlock => CommandError::Locked { path: dir.to_owned() },
        _ => CommandError::System("locking the state directory", e),
    })
}

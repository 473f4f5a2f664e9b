//! One live build: its directory, its socket, whether it is over, and what it did.
//!
//! It is registered and removed by registry.rs, and served by session/.

use std::collections::HashSet;
use std::fmt;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use proto::blinded_table::MOST;
use proto::control::{BuildStatus, Counts, MOUNTED_OUTPUTS};
use proto::error::with_causes;
use proto::wire::Toolchain;
use proto::{ActionId, BuildId, Condition, OutputId, SigningKey};
use store::{BuildDir, Partition, View};

use super::counters::Counters;
use super::liveness::Liveness;
use super::quota::{DiskUsage, Quota};
use super::state_file::BuildState;
use crate::clock;
use crate::limits::{
    BUILD_MIN_LIFE, BYTES_PER_BUILD, COUNTED_IDS, FILES_PER_BUILD, IDLE_ABANDONED, IDLE_RUNNING, IDLE_UNKNOWN,
    WARNINGS_PER_BUILD,
};
use crate::maintenance::storage_health::StorageHealth;
use crate::mutex::lock;
use crate::remote::begin_prefetch::{ByBuild, Prefetches};
use crate::telemetry::build_profile::refresh::LiveProfile;
use crate::telemetry::condition_parts::ConditionParts;
use crate::telemetry::trace::Trace;
use crate::trust::{WithheldHits, Writes};

/// A live build.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) dir: BuildDir,
    pub(crate) listener: UnixListener,
    pub(crate) counters: Counters,
    pub(crate) quota: Quota,
    /// The daemon's, not the build's: each put tells it whether it was stored.
    pub(crate) storage_health: Arc<StorageHealth>,
    /// The daemon's too: what conditions are made of.
    condition_parts: Arc<ConditionParts>,
    /// What the build asked for.
    pub(crate) trace: Trace,
    /// When a profile was made of that.
    pub(crate) profile: LiveProfile,
    /// Held while one of its sessions waits for why it missed: one at a time, so that its sessions take one turn among all builds.
    pub(crate) asks_why: Mutex<()>,
    /// Hits that it computes again: another session may put them, as one that flushes what was put without a daemon.
    pub(crate) withheld: Mutex<WithheldHits>,
    /// While its table is being made: actions of which it got outputs of its own meanwhile.
    own_actions: Mutex<Option<HashSet<ActionId>>>,
    /// What is fetched for it.
    prefetches: Prefetches,
    /// Whose entries of other machines it takes.
    signers: Arc<[SigningKey]>,
    state: BuildState,
    sessions: AtomicU64,
    /// Warnings logged about this build.
    warnings: AtomicU64,
    /// When a session last began or ended, in milliseconds since 1970; 0: there was none.
    last_used: AtomicU64,
    /// When this daemon began to serve it, in seconds since 1970: clients take a while to come back to a new daemon.
    since: u64,
    /// Whether its end was logged.
    has_ended: AtomicBool,
    /// First bytes of the actions, and of the outputs, that this build was served or put before. Guards nothing else; held for
    /// one insert.
    counted: Mutex<[HashSet<[u8; 8]>; 2]>,
}

/// What is the daemon's and not one build's.
#[derive(Debug)]
pub(crate) struct DaemonWide {
    pub(crate) storage_health: Arc<StorageHealth>,
    pub(crate) condition_parts: Arc<ConditionParts>,
    pub(crate) signers: Arc<[SigningKey]>,
}

impl Build {
    pub(crate) fn new(dir: BuildDir, listener: UnixListener, state: BuildState, daemon: DaemonWide) -> Self {
        let (trace, served_or_put) = Trace::open(dir.state_file().with_file_name("trace"), state.started);
        let mut counted = <[HashSet<_>; 2]>::default();
        for (action, output) in served_or_put {
            is_first(&mut counted[0], &action.0);
            is_first(&mut counted[1], &output.0);
        }
        Self {
            dir,
            listener,
            counters: Counters::from(state.counts),
            quota: Quota::from(state.used),
            storage_health: daemon.storage_health,
            condition_parts: daemon.condition_parts,
            trace,
            profile: LiveProfile::default(),
            asks_why: Mutex::default(),
            withheld: Mutex::default(),
            own_actions: Mutex::default(),
            prefetches: Prefetches::default(),
            signers: daemon.signers,
            sessions: AtomicU64::new(0),
            warnings: AtomicU64::new(0),
            last_used: AtomicU64::new(state.last_used_ms),
            since: clock::unix(clock::now()),
            has_ended: AtomicBool::new(state.has_ended),
            counted: Mutex::new(counted),
            state,
        }
    }

    pub(crate) fn id(&self) -> BuildId {
        self.dir.id()
    }

    /// The derivation's name.
    pub(crate) fn name(&self) -> &str {
        &self.state.name
    }

    /// The user of a session outside of sandboxes; `None` for a build in a sandbox, whose socket no other process can reach.
    pub(crate) fn owner(&self) -> Option<u32> {
        self.state.owner
    }

    /// Whom its entries are for, for people.
    pub(crate) fn shared_with(&self) -> String {
        let without_network = Writes::Nothing("it has a network".to_owned());
        if self.state.is_offline { &self.state.writes } else { &without_network }.to_string()
    }

    /// The partition that it reads, beside the common one.
    pub(crate) fn partition(&self) -> Option<Partition> {
        self.state.writes.partition()
    }

    /// Whether it is a build in a sandbox, without a network, that writes what all users read.
    pub(crate) fn is_of_all_users(&self) -> bool {
        self.owner().is_none() && self.state.is_offline && self.partition() == Some(Partition::Common)
    }

    /// As who it asks for a prefetch; `None`: it gets none. Outside of sandboxes compilers read more of the system than any condition has, and
    /// a build with a network is a fetch.
    pub(crate) fn prefetches(&self) -> Option<ByBuild<'_>> {
        let is_of_all_users = self.is_of_all_users();
        let by = ByBuild { name: self.name(), is_of_all_users, prefetches: &self.prefetches };
        (self.owner().is_none() && self.state.is_offline).then_some(by)
    }

    /// What its sessions with this toolchain read and write.
    pub(crate) fn view(&self, toolchain: &Toolchain) -> View {
        let view = View::of(self.partition().unwrap_or(Partition::Common), toolchain).trusting(self.signers.to_vec());
        // With a network a build may be told what to put. A module proxy has to be told.
        let is_told = !self.state.is_offline && toolchain.is_of_go();
        if is_told || self.partition().is_none() { view.read_only() } else { view }
    }

    /// The directory of its outputs as the build sees it.
    pub(crate) fn outputs(&self) -> String {
        if self.owner().is_some() { format!("{}/o", self.dir.view().display()) } else { MOUNTED_OUTPUTS.to_owned() }
    }

    /// When it was registered, in seconds since 1970.
    pub(crate) fn started(&self) -> u64 {
        self.state.started
    }

    /// Logs what is wrong with what the build does. Whatever it does, it causes a few lines in the log and no more.
    pub(crate) fn warn_rate_limited(&self, message: fmt::Arguments<'_>) {
        match self.warnings.fetch_add(1, Relaxed) {
            0..WARNINGS_PER_BUILD => log::warn!("build {self}: {message}"),
            WARNINGS_PER_BUILD => log::warn!("build {self}: {message}; further warnings of this build are suppressed"),
            _ => log::debug!("build {self}: {message}"),
        }
    }

    /// Whether the build is over, as far as it can be known now: it cannot ask for anything any more.
    pub(crate) fn is_over(&self, now: SystemTime) -> bool {
        match self.state.probe.liveness() {
            Liveness::Ended => true,
            Liveness::Abandoned => self.idle(now) > IDLE_ABANDONED,
            Liveness::Running => self.idle(now) > IDLE_RUNNING,
            Liveness::Unknown => self.idle(now) > IDLE_UNKNOWN,
        }
    }

    /// Whether the directory of a build that is over may be removed.
    pub(crate) fn may_be_removed(&self, now: SystemTime) -> bool {
        Duration::from_secs(clock::unix(now).saturating_sub(self.state.started)) >= BUILD_MIN_LIFE
    }

    /// Whether its end was noted.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Relaxed)
    }

    /// Notes that it is over; whether this is the first time. What was fetched for it is judged now, and not when its directory is removed.
    pub(crate) fn note_end(&self) -> bool {
        self.prefetches.end();
        !self.has_ended.swap(true, Relaxed)
    }

    /// Reserves what a put may take on the disk; false where the build has reached its limit.
    pub(crate) fn reserve(&self, wanted: DiskUsage) -> bool {
        let is_reserved = self.quota.reserve(wanted);
        if !is_reserved {
            self.warn_rate_limited(format_args!(
                "limit of what a build may put ({} GiB, {FILES_PER_BUILD} files) reached: refusing puts",
                BYTES_PER_BUILD >> 30,
            ));
        }
        is_reserved
    }

    /// The client told what a condition of this build is made of.
    pub(crate) fn keep_parts(&self, condition: &Condition, parts: &[u8]) {
        if self.trace.has(condition) {
            self.condition_parts.keep(&condition.digest, parts);
        }
    }

    /// Its table is about to be made.
    pub(crate) fn begin_table(&self) {
        *lock(&self.own_actions) = Some(HashSet::new());
    }

    /// Its table is made, or there will be none.
    pub(crate) fn end_table(&self) {
        *lock(&self.own_actions) = None;
    }

    /// Finishes its table, given the actions of which it got outputs of its own meanwhile: no further one comes before it is finished.
    /// `None` where these are too many: there is no table then.
    pub(crate) fn with_own_actions<T>(&self, finish: impl FnOnce(&HashSet<ActionId>) -> T) -> Option<T> {
        let mut own = lock(&self.own_actions);
        let finished = own.as_ref().filter(|own| own.len() < MOST).map(finish);
        *own = None;
        finished
    }

    /// It has this output of its own for an action: its table has no other one.
    pub(crate) fn has_own(&self, action: &ActionId, output: &OutputId) {
        if let Some(own) = &mut *lock(&self.own_actions) {
            if own.len() < MOST {
                own.insert(*action);
            }
        } else if let Err(e) = self.dir.withdraw(action, output) {
            self.warn_rate_limited(format_args!("{}", with_causes(&e)));
        }
    }

    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Relaxed)
    }

    /// Counts a session until the guard is dropped.
    pub(crate) fn begin_session(self: &Arc<Self>) -> SessionGuard {
        self.sessions.fetch_add(1, Relaxed);
        self.set_last_used();
        SessionGuard(self.clone())
    }

    /// Whether this action is asked for or put for the first time in this build. Without a shared cache only that first
    /// time would cost a compile: the build's own `GOCACHE` has it afterwards.
    pub(crate) fn is_first(&self, action: &ActionId) -> bool {
        is_first(&mut lock(&self.counted)[0], &action.0)
    }

    /// Whether this action was served or put before in this build, as far as it is counted.
    pub(crate) fn knows(&self, action: &ActionId) -> bool {
        let counted = lock(&self.counted);
        counted[0].len() >= COUNTED_IDS || counted[0].contains(&key(&action.0))
    }

    /// Whether this output is served or put for the first time in this build.
    pub(crate) fn is_first_output(&self, output: &OutputId) -> bool {
        is_first(&mut lock(&self.counted)[1], &output.0)
    }

    /// What it did up to now.
    pub(crate) fn status(&self, now: SystemTime) -> BuildStatus {
        self.status_as(self.is_over(now), now)
    }

    /// What it did; `is_over` as [`Build::is_over`] returned.
    pub(crate) fn status_as(&self, is_over: bool, now: SystemTime) -> BuildStatus {
        let started_ms = self.state.started_ms();
        let last_used = self.last_used(now).max(started_ms);
        let end = if is_over { last_used } else { clock::unix_ms(now) };
        BuildStatus {
            id: self.id().to_string(),
            short: self.id().short(),
            name: self.state.name.clone(),
            started: self.state.started,
            ended: if is_over { last_used / 1000 } else { 0 },
            wall_milliseconds: end.saturating_sub(started_ms),
            sessions: self.sessions(),
            shared_with: self.shared_with(),
            counts: self.counters.counts(),
        }
    }

    /// What it did since this daemon serves it. An earlier daemon counted what it restored.
    pub(crate) fn new_counts(&self) -> Counts {
        self.counters.counts().since(&self.state.counts)
    }

    /// Writes its state again, with the counters and the time of the last session as they are now.
    pub(crate) fn save(&self) -> Result<(), store::StoreError> {
        let now = (self.counters.counts(), self.quota.used(), self.last_used(clock::now()), self.has_ended());
        self.state.write_with(&self.dir, now)
    }

    fn idle(&self, now: SystemTime) -> Duration {
        if self.sessions() > 0 {
            return Duration::ZERO;
        }
        let last = (self.last_used.load(Relaxed) / 1000).max(self.since);
        Duration::from_secs(clock::unix(now).saturating_sub(last))
    }

    /// When it was last used, in milliseconds since 1970: now, while it has a session.
    fn last_used(&self, now: SystemTime) -> u64 {
        if self.sessions() > 0 { clock::unix_ms(now) } else { self.last_used.load(Relaxed) }
    }

    fn set_last_used(&self) {
        self.last_used.store(clock::unix_ms(clock::now()), Relaxed);
    }
}

/// Name and short id, as `cacheprogctl builds` shows them.
impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.id().short())
    }
}

fn is_first(counted: &mut HashSet<[u8; 8]>, id: &[u8; 32]) -> bool {
    counted.len() < COUNTED_IDS && counted.insert(key(id))
}

/// Enough of an id to distinguish it from the others of a build.
fn key(id: &[u8; 32]) -> [u8; 8] {
    let mut key = [0; 8];
    key.copy_from_slice(&id[..8]);
    key
}

/// A session of a build.
#[derive(Debug)]
pub(crate) struct SessionGuard(Arc<Build>);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.0.set_last_used();
        self.0.sessions.fetch_sub(1, Relaxed);
    }
}

//! The live builds: registered, restored after a restart, removed at their end, and found for questions about them.
//!
//! One of them is build.rs; their profiles are made in `telemetry/build_profile/`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use proto::control::{BuildStatus, Builds, Counts, Descriptor, Registration, Trouble};
use proto::error::with_causes;
use proto::profile::BuildProfile;
use proto::{BuildId, SigningKey, figures};
use store::{BuildDir, Store, StoreError};

use super::build::{Build, DaemonWide};
use super::liveness::LivenessProbe;
use super::removal::{self, remove_dir};
use super::restore::{RestoreError, restore};
use super::state_file::BuildState;
use crate::clock;
use crate::limits::{HISTORY, HOST_SESSIONS, HOST_SESSIONS_PER_USER, LIVE_BUILDS, PREPARATIONS};
use crate::maintenance::storage_health::StorageHealth;
use crate::mutex::lock;
use crate::net::bind::build_socket;
use crate::random::random;
use crate::telemetry::build_profile::profile_store::ProfileStore;
use crate::telemetry::build_profile::refresh::Requester;
use crate::telemetry::condition_parts::ConditionParts;
use crate::telemetry::history::History;
use crate::telemetry::working_sets::{WorkingSet, WorkingSets};
use crate::trust::Policy;

/// All builds of this daemon.
#[derive(Debug)]
pub(crate) struct Registry {
    store: Arc<Store>,
    boot: Option<String>,
    policy: Policy,
    /// Whose entries of other machines builds take.
    signers: Arc<[SigningKey]>,
    storage_health: Arc<StorageHealth>,
    condition_parts: Arc<ConditionParts>,
    profiles: Arc<ProfileStore>,
    working_sets: WorkingSets,
    /// Held while the table of a build is made: one at a time.
    preparing: Mutex<()>,
    /// Held once by each thread that makes a table, or waits for that.
    preparations: Arc<()>,
    /// Held while two profiles are compared for a build: one comparison at a time, as it has both in memory.
    comparing: Mutex<()>,
    /// Guards the lists alone; no file or socket is touched while it is held.
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    live: HashMap<BuildId, Arc<Build>>,
    /// Builds of an earlier daemon that cannot be restored for now.
    unrestored: Vec<BuildId>,
    history: History,
    /// How many builds ended since the daemon started, and what those did that are not in `live` any more.
    ended: (u64, Counts),
}

/// Why a build cannot be registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error("build limit ({LIVE_BUILDS}) reached: refusing")]
    TooManyBuilds,
    #[error("session limit ({HOST_SESSIONS_PER_USER} for one user, {HOST_SESSIONS} for all) reached: refusing")]
    TooManySessions,
    #[error("making an id")]
    Id(#[source] std::io::Error),
    #[error("making the build's directory")]
    Store(#[from] StoreError),
    #[error("making the build's socket")]
    Socket(#[source] std::io::Error),
    #[error("the state directory's path is not text")]
    Path,
}

impl Registry {
    /// Restores the live builds of an earlier daemon on this state directory and binds their sockets again.
    pub(crate) fn restore(store: Arc<Store>, policy: Policy, signers: Arc<[SigningKey]>) -> Result<Self, StoreError> {
        let inner = Inner {
            live: HashMap::new(),
            unrestored: store.builds()?,
            history: History::load(store.root()),
            ended: (0, Counts::default()),
        };
        let condition_parts = Arc::new(ConditionParts::new(store.clone()));
        let registry = Self {
            boot: boot_id(),
            policy,
            signers,
            storage_health: Arc::default(),
            profiles: Arc::new(ProfileStore::new(store.clone(), condition_parts.clone())),
            condition_parts,
            working_sets: WorkingSets::new(&store),
            preparing: Mutex::default(),
            preparations: Arc::default(),
            comparing: Mutex::default(),
            inner: Mutex::new(inner),
            store,
        };
        registry.restore_all();
        Ok(registry)
    }

    /// Restores builds of an earlier daemon. One that cannot be restored for now stays and is tried again: what it was given is in
    /// use.
    fn restore_all(&self) {
        let unrestored = std::mem::take(&mut lock(&self.inner).unrestored);
        for id in unrestored {
            let dir = || self.store.open_build(id);
            match restore(dir(), self.boot.as_deref(), self.daemon_wide()) {
                Ok(build) => {
                    log::info!("build {build} restored");
                    lock(&self.inner).live.insert(id, Arc::new(build));
                }
                Err(RestoreError::Over(why)) => {
                    log::info!("build {} is over: {why}; removing it", id.short());
                    remove_dir(&dir());
                }
                Err(RestoreError::NotNow(why)) => {
                    log::debug!("build {} cannot be restored yet: {}", id.short(), with_causes(&why));
                    lock(&self.inner).unrestored.push(id);
                }
            }
        }
    }

    /// Makes a directory and a socket for a build; returns it, and the directory to mount. With an owner: for a session of that user
    /// outside of sandboxes.
    pub(crate) fn register(
        &self,
        registration: &Registration,
        fds: Vec<OwnedFd>,
        owner: Option<u32>,
    ) -> Result<(Arc<Build>, String), RegisterError> {
        self.check_limits(owner)?;
        let (mut chroot, mut worker) = (None, None);
        for (descriptor, fd) in registration.descriptors.iter().zip(fds) {
            match descriptor {
                Descriptor::Chroot => chroot = Some(fd),
                Descriptor::Worker => worker = Some(fd),
            }
        }
        let probe = LivenessProbe::new(registration.chroot.as_deref(), chroot, worker);
        let writes = match owner {
            Some(uid) => self.policy.of_host_session(uid),
            None => self.policy.of_build(&registration.requester),
        };
        let state = BuildState::new(registration, (owner, writes), (probe, self.boot.clone()), clock::now());
        let dir = self.store.create_build(BuildId(random().map_err(RegisterError::Id)?))?;
        let build = self.start(dir, state)?;
        let view = build.dir.view().into_os_string().into_string().map_err(|_| RegisterError::Path)?;
        match build.shared_with().as_str() {
            BuildStatus::ALL_USERS => log::info!("build {build} registered"),
            others => log::info!("build {build} registered: its entries are for {others}"),
        }
        let build = Arc::new(build);
        lock(&self.inner).live.insert(build.id(), build.clone());
        Ok((build, view))
    }

    fn check_limits(&self, owner: Option<u32>) -> Result<(), RegisterError> {
        let live = self.live();
        if live.len() >= LIVE_BUILDS {
            return Err(RegisterError::TooManyBuilds);
        }
        let owners = || live.iter().filter_map(|build| build.owner());
        let is_full = owner.is_some()
            && (owners().count() >= HOST_SESSIONS
                || owners().filter(|&other| Some(other) == owner).count() >= HOST_SESSIONS_PER_USER);
        if is_full { Err(RegisterError::TooManySessions) } else { Ok(()) }
    }

    fn start(&self, dir: BuildDir, state: BuildState) -> Result<Build, RegisterError> {
        let bind = || {
            state.write(&dir)?;
            build_socket(&dir.view()).map_err(RegisterError::Socket)
        };
        match bind() {
            Ok(listener) => Ok(Build::new(dir, listener, state, self.daemon_wide())),
            Err(e) => {
                remove_dir(&dir);
                Err(e)
            }
        }
    }

    /// What all builds share.
    fn daemon_wide(&self) -> DaemonWide {
        DaemonWide {
            storage_health: self.storage_health.clone(),
            condition_parts: self.condition_parts.clone(),
            signers: self.signers.clone(),
        }
    }

    /// The live builds now.
    pub(crate) fn live(&self) -> Vec<Arc<Build>> {
        lock(&self.inner).live.values().cloned().collect()
    }

    /// Whether there is no live build, nor one that is to be restored.
    pub(crate) fn is_empty(&self) -> bool {
        let inner = lock(&self.inner);
        inner.live.is_empty() && inner.unrestored.is_empty()
    }

    /// Notes which builds are over, removes those that may be removed, and restores those that could not be restored before. Returns the
    /// names of those that ended now, used something, and write what all users read, in a sandbox without a network.
    pub(crate) fn sweep(&self, now: SystemTime) -> Vec<String> {
        let mut ended = Vec::new();
        self.restore_all();
        let mut over: Vec<_> = self.live().into_iter().filter(|build| build.is_over(now)).collect();
        over.sort_by_key(|build| build.started());
        for build in over {
            let status = build.status_as(true, now);
            if build.note_end() {
                lock(&self.inner).ended.0 += 1;
                log::info!("build {build} ended: {}", figures::summary(&status.counts));
                if self.keep_working_set(&build, &status) && build.is_of_all_users() {
                    ended.push(build.name().to_owned());
                }
            }
            if build.may_be_removed(now) {
                self.remove(&build, status);
            }
        }
        ended
    }

    /// Keeps what an ended build asked for, if it asked for anything. The next one of its name may begin before this one can be removed.
    fn keep_working_set(&self, build: &Build, status: &BuildStatus) -> bool {
        let is_used = status.counts.gets + status.counts.puts > 0;
        if is_used {
            build.trace.flush();
            let trace = build.dir.state_file().with_file_name("trace");
            self.working_sets.keep(&self.store, (build.name(), build.partition()), &trace);
        }
        is_used
    }

    /// Moves an ended build from the live ones to the history.
    fn remove(&self, build: &Build, status: BuildStatus) {
        let (path, history) = {
            let mut inner = lock(&self.inner);
            inner.live.remove(&build.id());
            inner.ended.1.add(&build.new_counts());
            inner.history.push(status.clone())
        };
        self.archive(build, status);
        if let Err(e) = self.store.write_file(&path, &history) {
            log::warn!("{}", with_causes(&e));
        }
    }

    /// Moves the directory of an ended build away; in the background its profile is made, then the directory is removed.
    fn archive(&self, build: &Build, status: BuildStatus) {
        build.trace.flush();
        let retired = match build.dir.retire() {
            Ok(retired) => retired,
            Err(e) => return log::warn!("{}", with_causes(&e)),
        };
        let (profiles, own) = (self.profiles.clone(), build.partition());
        removal::start(move || {
            profiles.save_ended(status, own, &retired);
            removal::remove(vec![retired]);
        });
    }

    /// Writes down what the live builds did, for the next daemon.
    pub(crate) fn save(&self) {
        for build in self.live() {
            build.trace.flush();
            if let Err(e) = build.save() {
                log::warn!("{}", with_causes(&e));
            }
        }
    }

    /// What the last build of this one's name asked for.
    pub(crate) fn working_set(&self, build: &Build) -> Option<WorkingSet> {
        self.working_sets.read(build.name(), build.partition())
    }

    /// Locked while the table of a build is made.
    pub(crate) fn preparing(&self) -> &Mutex<()> {
        &self.preparing
    }

    /// A place among the threads that make tables, until it is dropped; none where there are enough of them.
    pub(crate) fn begin_preparation(&self) -> Option<Arc<()>> {
        let place = self.preparations.clone();
        (Arc::strong_count(&place) <= PREPARATIONS + 1).then_some(place)
    }

    /// What keeps puts from being stored.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.storage_health.trouble()
    }

    /// What the live builds and those that ended last did.
    pub(crate) fn builds(&self) -> Builds {
        let now = clock::now();
        let (known, history) = {
            let inner = lock(&self.inner);
            (inner.live.values().cloned().collect::<Vec<_>>(), inner.history.ended())
        };
        // A build that is over may still have its directory: that is the daemon's concern alone.
        let (mut live, mut ended): (Vec<_>, Vec<_>) =
            known.iter().map(|build| build.status(now)).partition(|build| build.ended == 0);
        live.sort_by_key(|build| Reverse(build.started));
        ended.extend(history);
        ended.sort_by_key(|build| Reverse(build.ended));
        ended.truncate(HISTORY);
        Builds { live, ended }
    }

    /// How many builds ended since the daemon started, and what those and the live ones did since then.
    pub(crate) fn totals(&self) -> (u64, Counts) {
        let inner = lock(&self.inner);
        let (ended, mut counts) = inner.ended;
        inner.live.values().for_each(|build| counts.add(&build.new_counts()));
        (ended, counts)
    }

    /// The profile of a build, by [`BuildStatus::short`], as the file that holds its JSON.
    ///
    /// # Errors
    /// Where there is none, or none for this requester now.
    pub(crate) fn open_profile(&self, short: &str, requester: Requester) -> std::io::Result<File> {
        match self.live().into_iter().find(|build| build.id().short() == short) {
            Some(build) => self.open_live_profile(&build, requester),
            None => self.profiles.open_ended(short),
        }
    }

    /// Why a live build misses what it misses, in few words; empty where nothing is known, and where another session of the build
    /// asks already. It waits for the other builds that ask, of each of them for one.
    pub(crate) fn why_missed(&self, build: &Build) -> String {
        let Ok(_once) = build.asks_why.try_lock() else { return String::new() };
        let _one = lock(&self.comparing);
        let Builds { mut live, ended } = self.builds();
        live.extend(ended);
        let Ok(profile) = self.open_live_profile(build, Requester::Build) else { return String::new() };
        let open =
            |earlier: &BuildStatus| BuildProfile::read(self.open_profile(&earlier.short, Requester::Build).ok()?);
        let earlier = miss_causes::earlier_builds(&build.status(clock::now()), &live).into_iter().find_map(open);
        BuildProfile::read(profile).map_or(String::new(), |profile| miss_causes::headline(&profile, earlier.as_ref()))
    }

    fn open_live_profile(&self, build: &Build, requester: Requester) -> std::io::Result<File> {
        build.trace.flush();
        let dir = build.dir.state_file().parent().map(Path::to_owned).unwrap_or_default();
        // Profiles are for everyone, and a reader who knows the id of a live build finds its socket.
        let status = BuildStatus { id: String::new(), ..build.status(clock::now()) };
        self.profiles.open_live((status, &build.profile), (build.partition(), &dir), requester)
    }
}

/// The kernel's id of this boot; `None` where `/proc` does not show it: then the builds' own chroots tell which are over.
pub(crate) fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

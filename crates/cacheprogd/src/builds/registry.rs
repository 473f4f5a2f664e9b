//! The live builds: made, found again after a restart, removed at their end.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use proto::control::{BuildStatus, Builds, Counts, Descriptor, Registration, Trouble};
use proto::profile::BuildProfile;
use proto::{BuildId, figures};
use store::{BuildDir, Store, StoreError};

use crate::account::{self, Asker};
use crate::build::{Build, Saved, derivation_name};
use crate::clock;
use crate::error::chain;
use crate::health::Health;
use crate::history::{self, History};
use crate::listener;
use crate::quota::Used;
use crate::sync::lock;
use crate::watch::Watch;

/// Live builds at once: each has a descriptor or three, and no machine runs a tenth of it.
const MOST_BUILDS: usize = 2000;

/// Sessions outside of sandboxes at once, of all users and of one: they cannot take the builds' room.
const MOST_OF_HOST: usize = 256;
const MOST_OF_A_USER: usize = 64;

/// All builds of this daemon.
#[derive(Debug)]
pub(crate) struct Registry {
    store: Arc<Store>,
    boot: Option<String>,
    health: Arc<Health>,
    accounts: Arc<account::Saved>,
    /// Held while two accounts are compared for a build: one comparison at a time, as each has both in memory.
    comparing: Mutex<()>,
    /// Guards the lists alone; no file or socket is touched while it is held.
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    live: HashMap<BuildId, Arc<Build>>,
    /// Builds of an earlier daemon that cannot be brought back for now.
    asleep: Vec<BuildId>,
    history: History,
    /// How many builds ended since the daemon started, and what those did that are not in `live` any more.
    past: (u64, Counts),
}

/// Why a build cannot be registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error("{MOST_BUILDS} builds are live: no room for another")]
    Full,
    #[error("this user has {MOST_OF_A_USER} sessions, or all together {MOST_OF_HOST}: no room for another")]
    Crowded,
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
    /// Finds the live builds of an earlier daemon on this state directory and binds their sockets anew.
    pub(crate) fn restore(store: Arc<Store>) -> Result<Self, StoreError> {
        let history = History::load(store.root());
        let inner =
            Mutex::new(Inner { live: HashMap::new(), asleep: Vec::new(), history, past: (0, Counts::default()) });
        let accounts = Arc::new(account::Saved::new(store.clone()));
        let registry =
            Self { boot: boot_id(), store, health: Arc::default(), accounts, comparing: Mutex::default(), inner };
        lock(&registry.inner).asleep = registry.store.builds()?;
        registry.revive_all();
        Ok(registry)
    }

    /// Brings builds of an earlier daemon back. One that cannot be for now (no space, say) stays and is tried again: what
    /// it was shown is in use.
    fn revive_all(&self) {
        let asleep = std::mem::take(&mut lock(&self.inner).asleep);
        for id in asleep {
            match self.revive(self.store.open_build(id)) {
                Ok(build) => {
                    log::info!("build {build} goes on");
                    lock(&self.inner).live.insert(id, Arc::new(build));
                }
                Err(Revival::Over(why)) => {
                    log::info!("build {} is over: {why}", id.short());
                    self.remove_dir(&self.store.open_build(id));
                }
                Err(Revival::Later(why)) => {
                    log::debug!("build {} cannot go on yet: {}", id.short(), chain(&why));
                    lock(&self.inner).asleep.push(id);
                }
            }
        }
    }

    /// Makes a directory and a socket for a build; returns the directory to mount. With an owner: for a session of that user
    /// outside of sandboxes.
    pub(crate) fn register(
        &self,
        registration: &Registration,
        fds: Vec<OwnedFd>,
        owner: Option<u32>,
    ) -> Result<String, RegisterError> {
        let live = self.live();
        if live.len() >= MOST_BUILDS {
            return Err(RegisterError::Full);
        }
        let owners = || live.iter().filter_map(|build| build.owner());
        if owner.is_some()
            && (owners().count() >= MOST_OF_HOST || owners().filter(|&o| Some(o) == owner).count() >= MOST_OF_A_USER)
        {
            return Err(RegisterError::Crowded);
        }
        let (mut chroot, mut worker) = (None, None);
        for (what, fd) in registration.descriptors.iter().zip(fds) {
            match what {
                Descriptor::Chroot => chroot = Some(fd),
                Descriptor::Worker => worker = Some(fd),
            }
        }
        let now = clock::now();
        let saved = Saved {
            name: derivation_name(&registration.derivation),
            started: clock::unix(now),
            started_ms: clock::unix_ms(now),
            last_used_ms: 0,
            boot: self.boot.clone(),
            owner,
            watch: Watch::new(registration.chroot.as_deref(), chroot, worker),
            counts: Counts::default(),
            used: Used::default(),
        };
        let dir = self.store.create_build(new_id().map_err(RegisterError::Id)?)?;
        let build = self.start(dir, saved)?;
        let view = build.dir.view().into_os_string().into_string().map_err(|_| RegisterError::Path)?;
        log::info!("build {build} begins");
        lock(&self.inner).live.insert(build.id(), Arc::new(build));
        Ok(view)
    }

    /// The live builds now.
    pub(crate) fn live(&self) -> Vec<Arc<Build>> {
        lock(&self.inner).live.values().cloned().collect()
    }

    /// Whether there is no live build, nor one that is to be brought back.
    pub(crate) fn is_empty(&self) -> bool {
        let inner = lock(&self.inner);
        inner.live.is_empty() && inner.asleep.is_empty()
    }

    /// Notes which builds are over, removes what is left of them when it may go, and brings back those that could not be before.
    pub(crate) fn sweep(&self, now: SystemTime) {
        self.revive_all();
        let mut over: Vec<_> = self.live().into_iter().filter(|build| build.is_over(now)).collect();
        over.sort_by_key(|build| build.started());
        for build in over {
            let status = build.status_as(true, now);
            if build.note_end() {
                lock(&self.inner).past.0 += 1;
                log::info!("build {build} ended: {}", figures::summary(&status.counts));
            }
            if build.may_go(now) {
                self.remove(&build, status);
            }
        }
    }

    /// Takes an ended build from the live ones into the history.
    fn remove(&self, build: &Build, status: BuildStatus) {
        let (path, history) = {
            let mut inner = lock(&self.inner);
            inner.live.remove(&build.id());
            inner.past.1.add(&status.counts);
            inner.history.push(status.clone())
        };
        self.conclude(build, status);
        if let Err(e) = self.store.write_file(&path, &history) {
            log::warn!("{}", chain(&e));
        }
    }

    /// Writes down what the live builds did, for the next daemon.
    pub(crate) fn save(&self) {
        for build in self.live() {
            build.trace.flush();
            if let Err(e) = build.save_counts() {
                log::warn!("{}", chain(&e));
            }
        }
    }

    /// What keeps puts from being stored.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.health.trouble()
    }

    /// What the builds did.
    pub(crate) fn builds(&self) -> Builds {
        let now = clock::now();
        let (known, history) = {
            let inner = lock(&self.inner);
            (inner.live.values().cloned().collect::<Vec<_>>(), inner.history.ended())
        };
        // Of some that are over the directory is still there: nobody but this daemon has to know.
        let (mut live, mut ended): (Vec<_>, Vec<_>) =
            known.iter().map(|build| build.status(now)).partition(|build| build.ended == 0);
        live.sort_by_key(|build| Reverse(build.started));
        ended.extend(history);
        ended.sort_by_key(|build| Reverse(build.ended));
        ended.truncate(history::LENGTH);
        Builds { live, ended }
    }

    /// How many builds ended since the daemon started, and what those and the live ones did.
    pub(crate) fn totals(&self) -> (u64, Counts) {
        let inner = lock(&self.inner);
        let (ended, mut counts) = inner.past;
        inner.live.values().for_each(|build| counts.add(&build.counters.counts()));
        (ended, counts)
    }

    /// The account of a build, by [`BuildStatus::short`].
    ///
    /// # Errors
    /// Where there is none, or none for this asker now.
    pub(crate) fn account(&self, short: &str, asker: Asker) -> std::io::Result<File> {
        match self.live().into_iter().find(|build| build.id().short() == short) {
            Some(build) => self.account_of(&build, asker),
            None => self.accounts.open(short),
        }
    }

    /// Why a live build misses what it misses, in few words; empty where nothing is known, and where it is being told already. Waits
    /// for the other builds that are told, each of them once.
    pub(crate) fn headline(&self, build: &Build) -> String {
        let Ok(_once) = build.asks_why.try_lock() else { return String::new() };
        let _one = lock(&self.comparing);
        let Builds { mut live, ended } = self.builds();
        live.extend(ended);
        let Ok(account) = self.account_of(build, Asker::Build) else { return String::new() };
        let opened = |earlier: &BuildStatus| BuildProfile::read(self.account(&earlier.short, Asker::Build).ok()?);
        let earlier = misses::earlier_builds(&build.status(clock::now()), &live).into_iter().find_map(opened);
        BuildProfile::read(account).map_or(String::new(), |profile| misses::headline(&profile, earlier.as_ref()))
    }

    fn account_of(&self, build: &Build, asker: Asker) -> std::io::Result<File> {
        build.trace.flush();
        let dir = build.dir.state_file().parent().map(Path::to_owned).unwrap_or_default();
        // Who knows the id of a live build finds its socket; accounts are for everyone.
        let status = BuildStatus { id: String::new(), ..build.status(clock::now()) };
        self.accounts.of_live((status, &build.account), &dir, asker)
    }

    /// Takes the directory of an ended build away; in the background its account is made, then all of it is removed.
    fn conclude(&self, build: &Build, status: BuildStatus) {
        build.trace.flush();
        let aside = match build.dir.retire() {
            Ok(aside) => aside,
            Err(e) => return log::warn!("{}", chain(&e)),
        };
        let accounts = self.accounts.clone();
        let conclude = move || {
            accounts.conclude(status, &aside);
            remove(vec![aside]);
        };
        if let Err(e) = thread::Builder::new().name("removal".to_owned()).spawn(conclude) {
            log::warn!("starting a thread: {e}");
        }
    }

    fn start(&self, dir: BuildDir, saved: Saved) -> Result<Build, RegisterError> {
        let begin = || {
            Build::save(&dir, &saved)?;
            listener::build(&dir.view()).map_err(RegisterError::Socket)
        };
        match begin() {
            Ok(listener) => Ok(Build::new(dir, listener, saved, self.health.clone())),
            Err(e) => {
                self.remove_dir(&dir);
                Err(e)
            }
        }
    }

    fn revive(&self, dir: BuildDir) -> Result<Build, Revival> {
        let bytes = match fs::read(dir.state_file()) {
            // Made just before the end of the last daemon: nobody was told of it.
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(Revival::Over("it has no state".to_owned())),
            read => read?,
        };
        let saved: Saved = serde_json::from_slice(&bytes).map_err(|e| Revival::Over(format!("damaged state: {e}")))?;
        if let (Some(then), Some(now)) = (&saved.boot, &self.boot)
            && then != now
        {
            return Err(Revival::Over("the machine was booted anew".to_owned()));
        }
        let listener = listener::build(&dir.view())?;
        Ok(Build::new(dir, listener, saved, self.health.clone()))
    }

    /// Takes a directory away, and removes it in the background: a build may have left a hundred thousand files.
    fn remove_dir(&self, dir: &BuildDir) {
        match dir.retire() {
            Ok(aside) => remove_in_background(vec![aside]),
            Err(e) => log::warn!("{}", chain(&e)),
        }
    }
}

/// Why a build of an earlier daemon is not live.
enum Revival {
    /// It never will be.
    Over(String),
    /// Not now.
    Later(std::io::Error),
}

impl From<std::io::Error> for Revival {
    fn from(error: std::io::Error) -> Self {
        Self::Later(error)
    }
}

/// Removes what nobody uses any more. What a thread cannot be had for now is removed by the next daemon.
pub(crate) fn remove_in_background(leftovers: Vec<PathBuf>) {
    if let Err(e) = thread::Builder::new().name("removal".to_owned()).spawn(move || remove(leftovers)) {
        log::warn!("starting a thread: {e}");
    }
}

fn remove(leftovers: Vec<PathBuf>) {
    for path in leftovers {
        if let Err(e) = store::remove_leftover(&path) {
            log::warn!("{}", chain(&e));
        }
    }
}

fn new_id() -> std::io::Result<BuildId> {
    let mut id = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut id)?;
    Ok(BuildId(id))
}

/// The kernel's id of this boot; `None` where `/proc` does not show it, then the builds' own chroots tell.
pub(crate) fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

//! One live build: its directory, its socket, what is known of its life, what it did.

use std::collections::HashSet;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use proto::control::{BuildStatus, Counts, MOUNTED_OUTPUTS};
use proto::id::hex;
use proto::{ActionId, BuildId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::BuildDir;

use crate::clock;
use crate::health::Health;
use crate::sync::lock;
use crate::trace::Trace;
use crate::watch::{Verdict, Watch};

/// Nix mounts the directory after the hook has answered, and a source that is gone by then ends the user's whole
/// `nix build`: whatever was seen, a build lives this long.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);

/// Without a session for so long, a build whose Nix process is gone is over.
const IDLE_LEFT: Duration = Duration::from_secs(10);

/// Without a session for so long, a build of which nothing can be seen is over.
const IDLE_UNSEEN: Duration = Duration::from_secs(6 * 3600);

/// Without a session for so long, a chroot that is still there was left behind by a Nix that was killed.
const IDLE_SEEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Actions of which is remembered that their saving was counted: some ten bytes each, and more than a build asks for.
const COUNTED: usize = 32 << 10;

/// Bytes that a build may put: what it has put stays on the disk while it lives, within the store's limits or not. A build of
/// Kubernetes puts some ten.
const MOST_PUT: u64 = 32 << 30;

/// Lines in the log that one build may cause.
const MOST_COMPLAINTS: u64 = 10;

/// A live build.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) dir: BuildDir,
    pub(crate) listener: UnixListener,
    pub(crate) counters: Counters,
    /// The daemon's, not the build's: what a put finds out.
    pub(crate) health: Arc<Health>,
    /// What the build asked for.
    pub(crate) trace: Trace,
    saved: Saved,
    sessions: AtomicU64,
    /// Complaints logged about this build.
    complaints: AtomicU64,
    /// When the last session ended, in seconds since 1970.
    last_session: AtomicU64,
    /// First bytes of the actions that this build was served or put before. Guards nothing else; held for one insert.
    counted: Mutex<HashSet<[u8; 8]>>,
}

/// What a restarted daemon must know of a build: the format of `build.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) name: String,
    /// Seconds since 1970.
    pub(crate) started: u64,
    /// The kernel's boot id; builds of another boot are over.
    pub(crate) boot: Option<String>,
    pub(crate) watch: Watch,
    /// Whose session outside of sandboxes it is.
    #[serde(default)]
    pub(crate) owner: Option<u32>,
    #[serde(default)]
    pub(crate) counts: Counts,
}

impl Build {
    pub(crate) fn new(dir: BuildDir, listener: UnixListener, saved: Saved, health: Arc<Health>) -> Self {
        let trace = Trace::new(dir.state_file().with_file_name("trace"), saved.started);
        Self {
            dir,
            listener,
            counters: Counters::from(saved.counts),
            health,
            trace,
            saved,
            sessions: AtomicU64::new(0),
            complaints: AtomicU64::new(0),
            last_session: AtomicU64::new(clock::unix(clock::now())),
            counted: Mutex::default(),
        }
    }

    pub(crate) fn id(&self) -> BuildId {
        self.dir.id()
    }

    /// The derivation's name.
    pub(crate) fn name(&self) -> &str {
        &self.saved.name
    }

    /// Whose session outside of sandboxes it is; `None`: a build in one, whose socket nobody else can reach.
    pub(crate) fn owner(&self) -> Option<u32> {
        self.saved.owner
    }

    /// The directory of its outputs as it sees it.
    pub(crate) fn outputs(&self) -> String {
        if self.owner().is_some() { format!("{}/o", self.dir.view().display()) } else { MOUNTED_OUTPUTS.to_owned() }
    }

    /// When it was registered, in seconds since 1970.
    pub(crate) fn started(&self) -> u64 {
        self.saved.started
    }

    /// Logs what is wrong with what the build does. Whatever it does, it writes a few lines of the log and no more.
    pub(crate) fn complain(&self, of: std::fmt::Arguments<'_>) {
        match self.complaints.fetch_add(1, Relaxed) {
            0..MOST_COMPLAINTS => log::warn!("build {}: {of}", self.name()),
            MOST_COMPLAINTS => log::warn!("build {}: {of}; this is the last complaint of it", self.name()),
            _ => log::debug!("build {}: {of}", self.name()),
        }
    }

    /// Whether the build is over, as far as can be told now.
    pub(crate) fn is_over(&self, now: SystemTime) -> bool {
        let age = Duration::from_secs(clock::unix(now).saturating_sub(self.saved.started));
        age >= SHORTEST_LIFE
            && match self.saved.watch.verdict() {
                Verdict::Ended => true,
                Verdict::Left => self.idle(now) > IDLE_LEFT,
                Verdict::Runs => self.idle(now) > IDLE_SEEN,
                Verdict::Unknown => self.idle(now) > IDLE_UNSEEN,
            }
    }

    /// Whether the build may put so many bytes more.
    pub(crate) fn may_put(&self, bytes: u64) -> bool {
        let may = self.counters.counts().bytes_put.saturating_add(bytes) <= MOST_PUT;
        if !may {
            self.complain(format_args!("it has put {MOST_PUT} bytes, which is all it may"));
        }
        may
    }

    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Relaxed)
    }

    /// Counts a session in until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        self.sessions.fetch_add(1, Relaxed);
        Entered(self.clone())
    }

    /// Whether this action is asked for or put for the first time in this build. Without a shared cache only that first
    /// time would cost a compile: the build's own `GOCACHE` has it afterwards.
    pub(crate) fn is_first(&self, action: &ActionId) -> bool {
        let mut key = [0; 8];
        key.copy_from_slice(&action.0[..8]);
        let mut counted = lock(&self.counted);
        counted.len() < COUNTED && counted.insert(key)
    }

    pub(crate) fn status(&self, ended: Option<SystemTime>) -> BuildStatus {
        BuildStatus {
            id: self.id().to_string(),
            short: short(&self.id()),
            name: self.saved.name.clone(),
            started: self.saved.started,
            ended: ended.map_or(0, clock::unix),
            sessions: self.sessions(),
            counts: self.counters.counts(),
        }
    }

    /// Writes `build.json`.
    pub(crate) fn save(dir: &BuildDir, saved: &Saved) -> Result<(), store::StoreError> {
        // Serialising plain data into memory cannot fail.
        dir.write_state(&serde_json::to_vec(saved).unwrap_or_default())
    }

    /// Writes `build.json` again, with the counters as they are now.
    pub(crate) fn save_counts(&self) -> Result<(), store::StoreError> {
        let mut saved = serde_json::to_value(&self.saved).unwrap_or_default();
        saved["counts"] = serde_json::to_value(self.counters.counts()).unwrap_or_default();
        self.dir.write_state(saved.to_string().as_bytes())
    }

    fn idle(&self, now: SystemTime) -> Duration {
        if self.sessions() > 0 {
            return Duration::ZERO;
        }
        Duration::from_secs(clock::unix(now).saturating_sub(self.last_session.load(Relaxed)))
    }
}

/// A session of a build.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Build>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.last_session.store(clock::unix(clock::now()), Relaxed);
        self.0.sessions.fetch_sub(1, Relaxed);
    }
}

/// A build's counters while it lives: [`Counts`] as atomics.
#[derive(Debug)]
pub(crate) struct Counters([AtomicU64; Counts::NUMBER]);

impl Counters {
    /// Their values now.
    pub(crate) fn counts(&self) -> Counts {
        Counts::of(self.0.each_ref().map(|counter| counter.load(Relaxed)))
    }

    /// Adds what one request did.
    pub(crate) fn add(&self, counts: &Counts) {
        for (counter, more) in self.0.iter().zip(counts.values()).filter(|(_, more)| *more != 0) {
            counter.fetch_add(more, Relaxed); // wraps: a build may claim anything of itself
        }
    }
}

impl From<Counts> for Counters {
    fn from(counts: Counts) -> Self {
        Self(counts.values().map(AtomicU64::new))
    }
}

/// What people call a build by: who knows the id of a live build finds its socket, and from this the id cannot be had.
pub(crate) fn short(id: &BuildId) -> String {
    hex(&Sha256::new().chain_update(b"nix-gocacheprog build").chain_update(id.0).finalize()[..4])
}

/// The name in a derivation's path: `/nix/store/<32 characters>-NAME.drv`.
pub(crate) fn derivation_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.strip_suffix(".drv").unwrap_or(file);
    let name = match name.split_once('-') {
        Some((hash, name)) if hash.len() == 32 => name,
        _ => name,
    };
    // Derivation names hold none of these; whoever wrote this one may not write to our log.
    name.chars().filter(|c| !c.is_control()).take(211).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derivation_is_called_by_its_name() {
        let hash = "0".repeat(32);
        assert_eq!(derivation_name(&format!("/nix/store/{hash}-caddy-2.10.drv")), "caddy-2.10");
        assert_eq!(derivation_name("/tmp/x-y.drv"), "x-y");
        assert_eq!(derivation_name("a\nb"), "ab");
        assert_eq!(derivation_name(""), "");
    }
}

//! One live build: its directory, its socket, what is known of its life, what it did.

use std::collections::HashSet;
use std::fmt;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use proto::control::{BuildStatus, Counts, MOUNTED_OUTPUTS};
use proto::{ActionId, BuildId, OutputId};
use serde::{Deserialize, Serialize};
use store::BuildDir;

use crate::health::Health;
use crate::quota::{self, Quota, Used};
use crate::sync::lock;
use crate::trace::Trace;
use crate::watch::{Verdict, Watch};
use crate::{account, clock};

/// Nix mounts the directory after the hook has answered, and a source that is gone by then ends the user's whole
/// `nix build`: whatever was seen, a build lives this long.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);

/// Without a session for so long, a build whose Nix process is gone is over.
const IDLE_LEFT: Duration = Duration::from_secs(10);

/// Without a session for so long, a build of which nothing can be seen is over.
const IDLE_UNSEEN: Duration = Duration::from_secs(6 * 3600);

/// Without a session for so long, a chroot that is still there was left behind by a Nix that was killed.
const IDLE_SEEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Actions, and outputs, of which is remembered that they were counted: some ten bytes each, and more than a build asks for. What
/// is beyond counts as if it had been counted before: figures are too low then, and not too high.
const COUNTED: usize = 32 << 10;

/// Lines in the log that one build may cause.
const MOST_COMPLAINTS: u64 = 10;

/// A live build.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) dir: BuildDir,
    pub(crate) listener: UnixListener,
    pub(crate) counters: Counters,
    pub(crate) quota: Quota,
    /// The daemon's, not the build's: what a put finds out.
    pub(crate) health: Arc<Health>,
    /// What the build asked for.
    pub(crate) trace: Trace,
    /// What is kept of that for those who look.
    pub(crate) account: account::Live,
    /// Held while a session of it is told why it misses: one at a time, so that its sessions take one place among all builds that
    /// are told.
    pub(crate) asks_why: Mutex<()>,
    saved: Saved,
    sessions: AtomicU64,
    /// Complaints logged about this build.
    complaints: AtomicU64,
    /// When a session last began or ended, in milliseconds since 1970; 0: there was none.
    last_used: AtomicU64,
    /// When this daemon began with it, in seconds since 1970: clients take a while to come back to a new daemon.
    since: u64,
    /// Whether its end was noted.
    is_noted: AtomicBool,
    /// First bytes of the actions, and of the outputs, that this build was served or put before. Guards nothing else; held for
    /// one insert.
    counted: Mutex<[HashSet<[u8; 8]>; 2]>,
}

/// What a restarted daemon must know of a build: the format of `build.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) name: String,
    /// Seconds since 1970.
    pub(crate) started: u64,
    /// The same in milliseconds; 0 where an older daemon wrote this.
    #[serde(default)]
    pub(crate) started_ms: u64,
    /// When a session last began or ended, in milliseconds since 1970; 0: there was none.
    #[serde(default)]
    pub(crate) last_used_ms: u64,
    /// The kernel's boot id; builds of another boot are over.
    pub(crate) boot: Option<String>,
    pub(crate) watch: Watch,
    /// Whose session outside of sandboxes it is.
    #[serde(default)]
    pub(crate) owner: Option<u32>,
    #[serde(default)]
    pub(crate) counts: Counts,
    #[serde(default)]
    pub(crate) used: Used,
}

impl Build {
    pub(crate) fn new(dir: BuildDir, listener: UnixListener, saved: Saved, health: Arc<Health>) -> Self {
        let trace = Trace::new(dir.state_file().with_file_name("trace"), saved.started);
        let mut counted = <[HashSet<_>; 2]>::default();
        for (action, output) in trace.had() {
            is_first(&mut counted[0], &action.0);
            is_first(&mut counted[1], &output.0);
        }
        Self {
            dir,
            listener,
            counters: Counters::from(saved.counts),
            quota: Quota::from(saved.used),
            health,
            trace,
            account: account::Live::default(),
            asks_why: Mutex::default(),
            sessions: AtomicU64::new(0),
            complaints: AtomicU64::new(0),
            last_used: AtomicU64::new(saved.last_used_ms),
            since: clock::unix(clock::now()),
            is_noted: AtomicBool::new(false),
            counted: Mutex::new(counted),
            saved,
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
    pub(crate) fn complain(&self, of: fmt::Arguments<'_>) {
        match self.complaints.fetch_add(1, Relaxed) {
            0..MOST_COMPLAINTS => log::warn!("build {self}: {of}"),
            MOST_COMPLAINTS => log::warn!("build {self}: {of}; this is the last complaint of it"),
            _ => log::debug!("build {self}: {of}"),
        }
    }

    /// Whether the build is over, as far as can be told now: it cannot ask for anything any more.
    pub(crate) fn is_over(&self, now: SystemTime) -> bool {
        match self.saved.watch.verdict() {
            Verdict::Ended => true,
            Verdict::Left => self.idle(now) > IDLE_LEFT,
            Verdict::Runs => self.idle(now) > IDLE_SEEN,
            Verdict::Unknown => self.idle(now) > IDLE_UNSEEN,
        }
    }

    /// Whether the directory of a build that is over may be removed.
    pub(crate) fn may_go(&self, now: SystemTime) -> bool {
        Duration::from_secs(clock::unix(now).saturating_sub(self.saved.started)) >= SHORTEST_LIFE
    }

    /// Notes that it is over; whether this is the first time.
    pub(crate) fn note_end(&self) -> bool {
        !self.is_noted.swap(true, Relaxed)
    }

    /// Takes what a put may need from what the build may put; false where there is not as much left.
    pub(crate) fn may_put(&self, wanted: Used) -> bool {
        let may = self.quota.take(wanted);
        if !may {
            self.complain(format_args!(
                "it has put what a build may ({} GiB, {} files)",
                quota::MOST_BYTES >> 30,
                quota::MOST_FILES
            ));
        }
        may
    }

    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Relaxed)
    }

    /// Counts a session in until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        self.sessions.fetch_add(1, Relaxed);
        self.use_now();
        Entered(self.clone())
    }

    /// Whether this action is asked for or put for the first time in this build. Without a shared cache only that first
    /// time would cost a compile: the build's own `GOCACHE` has it afterwards.
    pub(crate) fn is_first(&self, action: &ActionId) -> bool {
        is_first(&mut lock(&self.counted)[0], &action.0)
    }

    /// Whether this action was asked for with success or put before in this build.
    pub(crate) fn had(&self, action: &ActionId) -> bool {
        lock(&self.counted)[0].contains(&key(&action.0))
    }

    /// Whether this output is served or put for the first time in this build.
    pub(crate) fn is_first_output(&self, output: &OutputId) -> bool {
        is_first(&mut lock(&self.counted)[1], &output.0)
    }

    /// What it did up to now.
    pub(crate) fn status(&self, now: SystemTime) -> BuildStatus {
        self.status_as(self.is_over(now), now)
    }

    /// What it did; `is_over` as [`Build::is_over`] said.
    pub(crate) fn status_as(&self, is_over: bool, now: SystemTime) -> BuildStatus {
        let started_ms = if self.saved.started_ms == 0 { self.saved.started * 1000 } else { self.saved.started_ms };
        let last_used = self.last_used(now).max(started_ms);
        let end = if is_over { last_used } else { clock::unix_ms(now) };
        BuildStatus {
            id: self.id().to_string(),
            short: self.id().short(),
            name: self.saved.name.clone(),
            started: self.saved.started,
            ended: if is_over { last_used / 1000 } else { 0 },
            wall_milliseconds: end.saturating_sub(started_ms),
            sessions: self.sessions(),
            counts: self.counters.counts(),
        }
    }

    /// Writes `build.json`.
    pub(crate) fn save(dir: &BuildDir, saved: &Saved) -> Result<(), store::StoreError> {
        // Serialising plain data into memory cannot fail.
        dir.write_state(&serde_json::to_vec(saved).unwrap_or_default())
    }

    /// Writes `build.json` again, with the counters and the time of the last session as they are now.
    pub(crate) fn save_counts(&self) -> Result<(), store::StoreError> {
        let mut saved = serde_json::to_value(&self.saved).unwrap_or_default();
        saved["used"] = serde_json::to_value(self.quota.used()).unwrap_or_default();
        saved["counts"] = serde_json::to_value(self.counters.counts()).unwrap_or_default();
        saved["last_used_ms"] = self.last_used(clock::now()).into();
        self.dir.write_state(saved.to_string().as_bytes())
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

    fn use_now(&self) {
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
    counted.len() < COUNTED && counted.insert(key(id))
}

/// As much of an id as tells it from the others of a build.
fn key(id: &[u8; 32]) -> [u8; 8] {
    let mut key = [0; 8];
    key.copy_from_slice(&id[..8]);
    key
}

/// A session of a build.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Build>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.use_now();
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

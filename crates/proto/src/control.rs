//! What the hook and the command line ask the daemon over its control socket: one line of JSON each way, then the
//! connection ends. Only root and the daemon's own user are answered.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

pub use crate::counts::Counts;
pub use crate::other_version::{OtherVersion, Sender};
pub use crate::verification::{ComputedOutput, OutputDifference, Verification};
use crate::wire::VERSION;

/// Where the daemon listens by default.
pub const DEFAULT_SOCKET: &str = "/run/nix-gocacheprog/control.sock";

/// Where everyone may look, by units and by hand. The directory of the control socket may be closed to others.
pub const STATUS_SOCKETS: [&str; 2] = ["/run/nix-gocacheprog-status.sock", "/run/nix-gocacheprog/status.sock"];

/// Where the daemon's settings are by default.
pub const DEFAULT_SETTINGS: &str = "/etc/nix-gocacheprog.toml";

/// Where the daemon listens for go commands outside of sandboxes, if it does. Not below the directory of the control socket,
/// which is closed to others.
pub const HOST_SOCKET: &str = "/run/nix-gocacheprog-host.sock";

/// Where a build's directory is mounted in the sandbox. Frozen: derivations hold it.
pub const MOUNT: &str = "/gocache";
/// The build's socket in the sandbox. Frozen: derivations hold it.
pub const MOUNTED_SOCKET: &str = "/gocache/sock";
/// The build's outputs in the sandbox.
pub const MOUNTED_OUTPUTS: &str = "/gocache/o";
/// The client in the sandbox. Frozen: derivations hold it.
pub const MOUNTED_CLIENT: &str = "/gocache-client";
/// The module proxy in the sandbox. In no derivation: only what the client prints names it.
pub const MOUNTED_MODPROXY: &str = "/gocache-modproxy";

/// Where a go command looks for its settings in a sandbox: below HOME, which Nix sets to a directory that is not there
/// (cmd/go/internal/cfg `EnvFile`, os.UserConfigDir; Go 1.21-1.27).
pub const MOUNTED_GO_ENV: &str = "/homeless-shelter/.config/go/env";
/// What is mounted there in transparent mode.
pub const GO_ENV: &str = "GOCACHEPROG=/gocache-client\n";
/// The same of an earlier version, whose client shared less with this flag. It means nothing any more.
pub const FORMER_GO_ENV: &str = "GOCACHEPROG=/gocache-client --transparent\n";

/// A request, in its envelope with the protocol's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`crate::wire::VERSION`] of the sender.
    pub version: u32,
    /// What is asked.
    pub request: Control,
}

impl Envelope {
    /// The request, from this version.
    #[must_use]
    pub fn new(request: Control) -> Self {
        Self { version: VERSION, request }
    }
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// A directory and a socket for a build that is about to start.
    Register(Registration),
    /// What the daemon has and does.
    Status,
    /// What the builds did: a status without a look at the store.
    Builds,
    /// What one build asked for and what came of it.
    #[serde(rename = "account")]
    BuildProfile {
        /// The build's [`BuildStatus::short`].
        build: String,
    },
}

/// A build that Nix is about to start.
///
/// Up to two descriptors travel with the line: an `O_PATH` one of the chroot, then a pidfd of the process that runs the
/// build; `descriptors` says which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The derivation as Nix names it (argv\[1\] of the hook).
    pub derivation: String,
    /// The root of the build's chroot (argv\[2\] of the hook), where there is one.
    #[serde(default)]
    pub chroot: Option<String>,
    /// The descriptors that came along, in their order.
    #[serde(default)]
    pub descriptors: Vec<Descriptor>,
    /// Who asked for it.
    #[serde(default)]
    pub requester: Requester,
    /// Whether it is known to have no network. Fixed-output, impure and unsandboxed derivations have one.
    #[serde(default)]
    pub is_offline: bool,
    /// Where the Go toolchains among its direct inputs have their `GOROOT`, as far as that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goroots: Vec<String>,
}

/// The user who asked Nix for a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requester {
    /// This user.
    User {
        /// As the kernel says.
        uid: u32,
        /// Whether that user's process forwards builds of others: `nix-daemon --stdio`, `nix-store --serve`.
        forwards: bool,
    },
    /// Not known, and why.
    Unknown(String),
}

/// How the reason begins for which nothing is shared with other builds (`BuildStatus::shared_with`) where the user is not known.
pub const UNKNOWN_REQUESTER: &str = "it is not known who asked for it";

/// The latest builds that [`Builds::of_unknown`] looks at.
const LATEST_BUILDS: usize = 5;

impl Default for Requester {
    fn default() -> Self {
        Self::Unknown("the hook is of an earlier version".to_owned())
    }
}

/// What a descriptor sent with a registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Descriptor {
    /// `O_PATH` of the chroot's root directory.
    Chroot,
    /// A pidfd of the Nix process that runs the build.
    Worker,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The build is registered; mount this directory at [`MOUNT`].
    Registered {
        /// Absolute path on the host.
        directory: String,
    },
    /// What the daemon has and does.
    Status(Box<Status>),
    /// What the builds did.
    Builds(Builds),
    /// So many bytes of JSON follow the line: a build profile.
    Follows(u64),
    /// The request failed.
    Error(String),
}

/// The state of a daemon. The JSON of `cacheprogctl status --json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub daemon: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Actions with a known output.
    pub entries: u64,
    /// Distinct outputs.
    pub objects: u64,
    /// What both take on the disk, in bytes.
    pub bytes: u64,
    /// What they may take, in bytes; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Free space on the disk, in bytes.
    #[serde(default)]
    pub free_bytes: u64,
    /// What is to be left free, in bytes.
    #[serde(default)]
    pub min_free_bytes: u64,
    /// The latest eviction of this daemon that removed something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction: Option<Eviction>,
    /// What keeps puts from being stored, until one is stored again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// What the cache gave of late.
    #[serde(default)]
    pub usage: Usage,
    /// What was computed again to be compared.
    #[serde(default)]
    pub verification: Verification,
    /// The layers of the settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerStatus>,
    /// The store that machines share, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteStatus>,
    /// Programs of another version that were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_versions: Vec<OtherVersion>,
    /// The builds.
    #[serde(flatten)]
    pub builds: Builds,
}

/// A layer of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerStatus {
    /// Its directory, as the settings name it.
    pub directory: String,
    /// Entries that were copied from it since the daemon started.
    pub copied: u64,
    /// Its actions of which an object is damaged, or cannot be read, as far as it was asked for.
    pub damaged: u64,
    /// Why it is not used; absent: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A store that machines share, and what the daemon did with it since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteStatus {
    /// Where it is.
    pub url: String,
    /// Requests for its objects. cacheprog-remote makes some of them again.
    pub requests: u64,
    /// Entries that were fetched.
    pub fetched: u64,
    /// Bytes that were fetched for them.
    pub fetched_bytes: u64,
    /// Bytes that were put.
    pub put_bytes: u64,
    /// Indexes that were put.
    pub uploads: u64,
    /// Names of builds of which something waits to be put.
    pub waiting: u64,
    /// What went wrong last; absent: nothing since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl LayerStatus {
    /// Whether it is used, and nothing of it was found damaged.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.refused.is_none() && self.damaged == 0
    }
}

/// What the cache gave of late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// In the last hour, to the minute it is made of: see [`Span::since`].
    pub hour: Span,
    /// In the last day.
    pub day: Span,
    /// In the last 30 days.
    pub month: Span,
}

/// What the cache gave in a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Span {
    /// When it begins, in seconds since 1970.
    pub since: u64,
    /// Builds that ended.
    pub builds: u64,
    /// What all builds did.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What an eviction removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eviction {
    /// When it ended, in seconds since 1970.
    pub at: u64,
    /// Entries that went.
    pub entries: u64,
    /// What they and their objects took on the disk.
    pub bytes: u64,
}

/// What the builds did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Builds {
    /// Builds that can ask for something now.
    pub live: Vec<BuildStatus>,
    /// Ended builds, the latest first, at most 100.
    pub ended: Vec<BuildStatus>,
}

impl Builds {
    /// All of them, the live ones first.
    pub fn all(&self) -> impl Iterator<Item = &BuildStatus> {
        self.live.iter().chain(&self.ended)
    }

    /// Of the latest builds, those of which it is not known who asked for them; `None` where there are none.
    #[must_use]
    pub fn of_unknown(&self) -> Option<OfUnknown<'_>> {
        let mut latest: Vec<_> = self.all().collect();
        latest.sort_by_key(|build| Reverse(build.started));
        latest.truncate(LATEST_BUILDS);
        let mut reasons = latest.iter().filter_map(|build| {
            let (_, reason) = build.shared_with.split_once(UNKNOWN_REQUESTER)?;
            Some(reason.trim_start_matches(": "))
        });
        let reason = reasons.next()?;
        Some(OfUnknown { count: 1 + reasons.count(), of: latest.len(), reason })
    }
}

/// Builds of which it is not known who asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfUnknown<'a> {
    /// How many.
    pub count: usize,
    /// Of how many that were looked at.
    pub of: usize,
    /// Why it is not known of the latest of them.
    pub reason: &'a str,
}

/// The state directory cannot be written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The first failure, in seconds since 1970.
    pub since: u64,
    /// The last failure, in seconds since 1970.
    pub last: u64,
    /// Failures in between.
    pub failures: u64,
    /// The latest one.
    pub latest: String,
}

/// What one build did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildStatus {
    /// The build's id in hex. It leads to the build's socket: while the build lives, the status socket leaves it out.
    pub id: String,
    /// What people and the command line call the build by: made from the id, from which the id cannot be had.
    #[serde(default)]
    pub short: String,
    /// The derivation's name.
    pub name: String,
    /// When it was registered, in seconds since 1970.
    pub started: u64,
    /// When its last go command ended, in seconds since 1970 (if it had none: when it was registered); 0 while the build lives.
    #[serde(default)]
    pub ended: u64,
    /// Wall time from the build's registration to the end of its last go command; while the build lives, to now.
    #[serde(default, alias = "took_milliseconds")]
    pub wall_milliseconds: u64,
    /// Sessions open now.
    #[serde(default)]
    pub sessions: u64,
    /// Whom its entries are for: `all users`, `user 1000`, or `no other build: ` and why.
    #[serde(default)]
    pub shared_with: String,
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts,
}

impl BuildStatus {
    /// [`BuildStatus::shared_with`] of a build of a writer.
    pub const ALL_USERS: &str = "all users";

    /// Whom its entries are for, where that is not all users; empty where it is, and of builds of earlier versions.
    #[must_use]
    pub fn not_for_all(&self) -> &str {
        if self.shared_with == Self::ALL_USERS { "" } else { &self.shared_with }
    }

    /// The one user its entries are for.
    #[must_use]
    pub fn one_user(&self) -> Option<&str> {
        self.shared_with.strip_prefix("user ")
    }
}

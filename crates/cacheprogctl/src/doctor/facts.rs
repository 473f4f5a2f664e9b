//! Looks at the machine for `doctor`. It judges nothing: that is done in checks.rs.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use proto::control::{BuildStatus, Builds, Status};
use proto::error::with_causes;
use proto::profile::BuildProfile;
use rustix::fs::{StatVfsMountFlags, statvfs};
use settings::{Accounts, Settings, SettingsError, StateDir};
use store::{Disk, LimitsError};

use super::program::{HookSettings, Program};
use super::{changing_variables, trust};
use crate::ask::{Sockets, build_profile, daemon_status};
use crate::error::{CommandError, NIXOS};
use crate::{clock, nix_conf, user_dirs};

/// The configuration of a multi-user Nix.
const NIX_CONF: &str = "/etc/nix/nix.conf";

/// Where to look, if not at the default places.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sources {
    /// Nix's configuration.
    #[arg(long, value_name = "FILE", default_value = NIX_CONF)]
    nix_conf: PathBuf,
    /// The daemon's settings. [default: /etc/nix-gocacheprog.toml, if it exists]
    #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_CONFIG")]
    config: Option<PathBuf>,
    /// The client that builds get. [default: the one in this program's directory]
    #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_CLIENT")]
    client: Option<PathBuf>,
    #[command(flatten)]
    sockets: Sockets,
    #[command(flatten)]
    store: StateDir,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// When, in seconds since 1970.
    pub(crate) now: u64,
    /// Nix's settings; `None` where the file cannot be read.
    pub(crate) nix_conf: (PathBuf, Option<nix_conf::Settings>),
    /// The hook that they name.
    pub(crate) hook: Option<Program>,
    /// That hook's settings, where it is ours and has a file of them.
    pub(crate) hook_settings: Option<HookSettings>,
    /// The hook that `cacheprogctl install` puts in place, where it is there.
    pub(crate) installed_hook: Option<PathBuf>,
    pub(crate) client: Program,
    /// What the client prints as its version.
    pub(crate) client_version: String,
    /// The daemon's answer.
    pub(crate) daemon: Option<Result<Status, String>>,
    /// Whether something listens for it and nothing was answered.
    pub(crate) is_silent: bool,
    pub(crate) control: (PathBuf, Option<Permissions>),
    /// Whether the file is there and no program listens.
    pub(crate) control_is_dead: bool,
    /// The status socket, where it is at a default place.
    pub(crate) status_socket: Option<Permissions>,
    /// Whether the file is there and no program listens.
    pub(crate) status_is_dead: bool,
    pub(crate) state: (PathBuf, Option<Permissions>),
    /// Whether this user may not see the state directory.
    pub(crate) is_hidden: bool,
    /// The first directory above the state directory that others cannot pass.
    pub(crate) closed: Option<PathBuf>,
    /// Something in the state directory that does not belong to the directory's owner.
    pub(crate) foreign: Option<(PathBuf, u32)>,
    pub(crate) format: String,
    /// Bytes that are free, and bytes that must stay free.
    pub(crate) free: Option<(u64, u64)>,
    pub(crate) is_read_only: bool,
    /// What is wrong with the settings.
    pub(crate) settings: Option<String>,
    /// Whose builds write for all; `None` where the settings cannot be read.
    pub(crate) trust: Option<trust::Names>,
    /// Whether Nix is on this machine.
    pub(crate) has_nix: bool,
    pub(crate) is_nixos: bool,
    /// The state of the socket units in systemd; `None` without systemd.
    pub(crate) unit: Option<Unit>,
    pub(crate) is_root: bool,
    /// Profiles of the latest builds that found conditions not to hold, the latest first.
    pub(crate) profiles: Vec<BuildProfile>,
}

/// The state of the units of the sockets, in systemd's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) enabled: String,
    pub(crate) active: String,
    /// That of the status socket, where the system starts it.
    pub(crate) active_status: Option<String>,
    /// Whether it is in the user's own systemd (`install --user`).
    pub(crate) is_users: bool,
}

/// Owner and permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permissions {
    pub(crate) uid: u32,
    pub(crate) mode: u32,
}

/// Looks at everything.
pub(crate) fn gather(args: &Sources) -> Facts {
    let unit = unit();
    // A user's own installation is looked at where there is no other.
    if args.sockets.is_default() && unit.as_ref().is_some_and(|unit| unit.is_users) {
        let sockets = Sockets::of_user();
        return gather_of(&Sources { sockets, ..args.clone() }.for_user(), unit);
    }
    if args.sockets.is_users() { gather_of(&args.clone().for_user(), unit) } else { gather_of(args, unit) }
}

impl Sources {
    /// The same, with the places of a user's own installation instead of the default ones.
    fn for_user(mut self) -> Self {
        let nix_conf = user_dirs::config().map(|config| config.join("nix/nix.conf"));
        if let Some(path) = nix_conf.filter(|path| self.nix_conf == Path::new(NIX_CONF) && path.exists()) {
            self.nix_conf = path;
        }
        if let Some(cache) = user_dirs::cache().filter(|_| self.store.is_default()) {
            self.store = StateDir { state_dir: cache };
        }
        self
    }
}

fn gather_of(args: &Sources, unit: Option<Unit>) -> Facts {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let nix = nix_conf::settings(&args.nix_conf, &read);
    let hook = nix.as_ref().and_then(|nix| nix.get("pre-build-hook")).filter(|hook| !hook.is_empty());
    let hook = hook.map(|hook| Program::at(Path::new(hook)));
    let is_users = unit.as_ref().is_some_and(|unit| unit.is_users);
    let beside = || std::env::current_exe().unwrap_or_default().with_file_name("cacheprog-client");
    let client = Program::at(&args.client.clone().unwrap_or_else(beside));
    let read_settings = settings::read(args.config.as_deref());
    let dir = &args.store.state_dir;
    // First: it may start the daemon, which makes its directory.
    let daemon = daemon_status(&args.sockets);
    let disk = Disk::of(dir).ok();
    let limits = read_settings.as_ref().map(Settings::limits).unwrap_or_default();
    // To other users systemd's directory is closed, and the daemon tells.
    let of_daemon = || daemon.as_ref().ok().map(|status| (status.free_bytes, status.min_free_bytes));
    let status_socket = args.sockets.status().into_iter().find(|path| path.exists());
    Facts {
        now: clock::unix_now(),
        profiles: daemon.as_ref().map(|status| profiles(&args.sockets, &status.builds)).unwrap_or_default(),
        hook_settings: hook.as_ref().and_then(Program::hook_settings),
        hook,
        installed_hook: installed_hook(is_users).filter(|hook| hook.exists()),
        client_version: client.version(),
        client,
        free: disk.map(|disk| (disk.free, limits.min_free(disk))).or_else(of_daemon),
        is_silent: matches!(daemon, Err(CommandError::Silent { .. })),
        daemon: Some(daemon.map_err(|e| with_causes(&e))),
        control_is_dead: is_dead(&args.sockets.control()),
        control: (args.sockets.control(), permissions(&args.sockets.control())),
        status_is_dead: status_socket.as_deref().is_some_and(is_dead),
        status_socket: status_socket.as_deref().and_then(permissions),
        state: (dir.clone(), permissions(dir)),
        is_hidden: fs::metadata(dir).is_err_and(|e| e.kind() == ErrorKind::PermissionDenied),
        closed: closed(dir),
        foreign: foreign(dir),
        format: fs::read_to_string(dir.join("format")).unwrap_or_default().trim().to_owned(),
        is_read_only: statvfs(dir).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)),
        trust: read_settings.as_ref().ok().map(|settings| names(settings, nix.as_ref())),
        settings: wrong(read_settings.err(), disk.and_then(|disk| limits.check(disk).err())),
        has_nix: nix.is_some() || nix_conf::is_nix_here(),
        is_nixos: Path::new(NIXOS).exists(),
        unit,
        is_root: rustix::process::geteuid().is_root(),
        nix_conf: (args.nix_conf.clone(), nix),
    }
}

/// Where `cacheprogctl install` puts the hook.
fn installed_hook(is_users: bool) -> Option<PathBuf> {
    let of_system = || Some(PathBuf::from("/etc"));
    let config = if is_users { user_dirs::config() } else { of_system() };
    config.map(|config| config.join("nix-gocacheprog/hook"))
}

/// Builds of one name that are looked at, and names.
const BUILDS: usize = 5;
const NAMES: usize = 20;

/// The latest builds of those names whose latest builds all found conditions not to hold.
fn profiles(sockets: &Sockets, builds: &Builds) -> Vec<BuildProfile> {
    let mut by_name: BTreeMap<&str, Vec<&BuildStatus>> = BTreeMap::new();
    for build in builds.ended.iter().filter(|build| build.counts.packages_needed > 0) {
        by_name.entry(miss_causes::without_version(&build.name)).or_default().push(build);
    }
    let wanted = by_name.into_values().map(latest).filter(|builds| builds.len() >= changing_variables::BUILDS);
    wanted.take(NAMES).flatten().filter_map(|build| build_profile(sockets, &build.short).ok()).collect()
}

fn latest(mut builds: Vec<&BuildStatus>) -> Vec<&BuildStatus> {
    builds.sort_by_key(|build| Reverse((build.started, build.ended)));
    builds.into_iter().take_while(|build| build.counts.rejected > 0).take(BUILDS).collect()
}

fn names(settings: &Settings, nix: Option<&nix_conf::Settings>) -> trust::Names {
    let trusted = nix.map(nix_conf::trusted_users).unwrap_or_default();
    trust::Names::new(&settings.trust(), &trusted, &Accounts::read())
}

/// What is wrong with the settings by themselves, or on this disk.
fn wrong(settings: Option<SettingsError>, limits: Option<LimitsError>) -> Option<String> {
    settings.map(|e| with_causes(&e)).or(limits.map(|e| e.to_string()))
}

/// How long a socket may take to accept a connection. A unix socket accepts at once, or not at all.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the file of a socket is there and no program listens at it.
fn is_dead(socket: &Path) -> bool {
    transport::dial(socket, DIAL_TIMEOUT).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
}

fn permissions(path: &Path) -> Option<Permissions> {
    fs::metadata(path).ok().map(|m| Permissions { uid: m.uid(), mode: m.mode() & 0o7777 })
}

/// Nix mounts from a user namespace in which root has no power over other users' directories.
fn closed(dir: &Path) -> Option<PathBuf> {
    let is_closed = |dir: &&Path| fs::metadata(dir).is_ok_and(|m| m.mode() & 0o001 == 0 && m.uid() != 0);
    dir.ancestors().filter(|dir| !dir.as_os_str().is_empty()).find(is_closed).map(Path::to_owned)
}

/// As where a backup was restored under another user. What is deeper inside is a matter of single entries.
fn foreign(dir: &Path) -> Option<(PathBuf, u32)> {
    let owner = fs::metadata(dir).ok()?.uid();
    let entries = fs::read_dir(dir).ok()?.flatten();
    let owners = entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.uid())));
    owners.filter(|(_, uid)| *uid != owner).min()
}

/// The units of the sockets.
const CONTROL_UNIT: &str = "nix-gocacheprog.socket";
pub(crate) const STATUS_UNIT: &str = "nix-gocacheprog-status.socket";

/// The socket units of the system, else the one of `install --user`.
fn unit() -> Option<Unit> {
    if !Path::new("/run/systemd/system").exists() {
        return None;
    }
    let system = unit_of(false)?;
    if system.is_installed() { Some(system) } else { unit_of(true).filter(Unit::is_installed).or(Some(system)) }
}

fn unit_of(is_users: bool) -> Option<Unit> {
    let ask = |verb: &str, unit: &str| {
        let manager: &[&str] = if is_users { &["--user"] } else { &[] };
        let mut command = Command::new("systemctl");
        command.args(manager).args([verb, unit]).stdin(Stdio::null()).stderr(Stdio::null());
        Some(String::from_utf8_lossy(&command.output().ok()?.stdout).trim().to_owned())
    };
    // An administrator who turned the status socket off disabled its unit.
    let has_status = !is_users && ask("is-enabled", STATUS_UNIT).is_some_and(|enabled| enabled == "enabled");
    let active_status = if has_status { ask("is-active", STATUS_UNIT) } else { None };
    Some(Unit {
        enabled: ask("is-enabled", CONTROL_UNIT)?,
        active: ask("is-active", CONTROL_UNIT)?,
        active_status,
        is_users,
    })
}

impl Unit {
    /// Whether systemd knows the unit. Without a manager of the user, systemctl prints nothing.
    pub(crate) fn is_installed(&self) -> bool {
        !matches!(self.enabled.as_str(), "" | "not-found")
    }

    /// The units that are not active, with their states.
    pub(crate) fn stopped(&self) -> Vec<(&'static str, String)> {
        let control = (CONTROL_UNIT, format!("{} ({})", self.active, self.enabled), self.active.as_str());
        let status = self.active_status.as_deref().map(|active| (STATUS_UNIT, active.to_owned(), active));
        let all = std::iter::once(control).chain(status);
        all.filter(|(_, _, active)| *active != "active").map(|(name, state, _)| (name, state)).collect()
    }
}

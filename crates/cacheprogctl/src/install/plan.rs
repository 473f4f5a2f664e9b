//! The steps of an installation and of its removal, in their order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::destination::Destination;
use super::error::InstallError;
use super::modproxy;
use super::steps::{Step, is_same};
use crate::nix_conf;

/// How the daemon's settings begin while `uninstall` may remove them.
const OURS: &str = "# Written by `cacheprogctl install`, removed by `cacheprogctl uninstall` while this line is here.";

/// The units, made from nixos/units.nix (nixos/write-files). `@programs@` is the directory of the programs.
const SYSTEM_UNITS: [(&str, &str); 5] = [
    ("nix-gocacheprog.socket", include_str!("../../units/system/nix-gocacheprog.socket")),
    ("nix-gocacheprog-status.socket", include_str!("../../units/system/nix-gocacheprog-status.socket")),
    ("nix-gocacheprog.service", include_str!("../../units/system/nix-gocacheprog.service")),
    ("nix-gocacheprog-remote.socket", include_str!("../../units/system/nix-gocacheprog-remote.socket")),
    ("nix-gocacheprog-remote.service", include_str!("../../units/system/nix-gocacheprog-remote.service")),
];
const USER_UNITS: [(&str, &str); 2] = [
    ("nix-gocacheprog.socket", include_str!("../../units/user/nix-gocacheprog.socket")),
    ("nix-gocacheprog.service", include_str!("../../units/user/nix-gocacheprog.service")),
];

/// The group that the system's units name (nixos/units.nix, `remoteGroup`).
pub(super) const GROUP: &str = "nix-gocacheprog-remote-socket";

impl Destination {
    pub(super) fn systemctl(&self, words: &str) -> Step {
        let words = words.split_whitespace().map(str::to_owned);
        let user = self.runtime.is_some().then(|| "--user".to_owned());
        Step::Systemctl { words: user.into_iter().chain(words).collect(), has_systemd: self.has_systemd }
    }

    fn units(&self) -> &'static [(&'static str, &'static str)] {
        if self.runtime.is_some() { &USER_UNITS } else { &SYSTEM_UNITS }
    }

    fn unit_texts(&self) -> impl Iterator<Item = (PathBuf, String)> {
        let programs = self.programs.display().to_string();
        self.units().iter().map(move |(name, text)| (self.units.join(name), text.replace("@programs@", &programs)))
    }

    /// The units with this ending.
    fn units_of(&self, ending: &str) -> String {
        self.units_with(|name| name.ends_with(ending))
    }

    /// The units that are there: an earlier version had fewer.
    fn existing_units(&self) -> String {
        self.units_with(|name| self.units.join(name).exists())
    }

    fn units_with(&self, is_meant: impl Fn(&str) -> bool) -> String {
        let names = self.units().iter().map(|(name, _)| *name).filter(|name| is_meant(name));
        names.collect::<Vec<_>>().join(" ")
    }

    /// Those whom Nix trusts write what all builds read. Names that the daemon would refuse are left out.
    fn daemon_settings(&self, http: Option<&str>) -> String {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        // Not nix.custom.conf: nix.conf includes that one.
        let nix = nix_conf::settings(&self.nix_conf.with_file_name("nix.conf"), &read).unwrap_or_default();
        let trusted = nix_conf::trusted_users(&nix).into_iter();
        let writers = trusted.filter(|name| settings::Principal::try_from(name.clone()).is_ok());
        // A list of texts is written in TOML as in JSON.
        let writers = serde_json::Value::from_iter(writers);
        let http = http.map_or_else(|| "#http = \"127.0.0.1:9417\"\n".to_owned(), |at| http_line(at) + "\n");
        format!(
            "{OURS}\n\
             # Settings of the daemon (docs/reference/settings.md). `cacheprogctl install` does not change this file again.\n\
             # After a change: `cacheprogctl check` with this file, and systemctl restart nix-gocacheprog\n\
             \n\
             # What the cache may take of its disk, how long an entry may stay unused, what must stay free on the disk: the defaults.\n\
             #max-size = \"10%, at most 50GiB\"\n\
             #max-age = \"60d\"\n\
             #min-free = \"5%, at most 10GiB\"\n\
             # Metrics and the page: `cacheprogctl install --http` on a new installation, or docs/how-to/monitoring.md.\n\
             {http}\n\
             # The settings above stay above the first [section].\n\
             [trust]\n\
             # Users whose builds are shared with all users: here nix.conf's trusted-users. Others' builds read those, and have a cache of\n\
             # their own.\n\
             writers = {writers}\n"
        )
    }

    fn hook_settings(&self) -> String {
        let mut text = format!(
            "# Settings of the pre-build-hook (docs/reference/settings.md, \"The hook\"). `cacheprogctl install` does not change this file.\n\
             # \"transparent\": builds with a Go toolchain among their inputs use the cache without the setup hook.\n\
             mode = \"opt-in\"\ngo-env = \"{}\"\n",
            self.setting("go-env").display()
        );
        if let Some(runtime) = &self.runtime {
            text += &format!("control = \"{}\"\n", runtime.join("nix-gocacheprog/control.sock").display());
        }
        text
    }
}

/// The line for nix.conf.
fn hook_line(destination: &Destination) -> String {
    format!("pre-build-hook = {}", destination.setting("hook").display())
}

/// The line for the daemon's settings. A text is written in TOML as in JSON.
fn http_line(at: &str) -> String {
    format!("http = {}", serde_json::Value::from(at))
}

/// The line `http` has to be in settings that are there already: they are the administrator's.
fn check_http(destination: &Destination, at: &str) -> Result<(), InstallError> {
    let Some(path) = destination.daemon_settings.as_deref().filter(|path| path.exists()) else { return Ok(()) };
    let wanted = at.parse().ok();
    if settings::read(Some(path)).is_ok_and(|settings| settings.http == wanted) {
        return Ok(());
    }
    Err(InstallError::HasSettings { path: path.to_owned(), line: http_line(at) })
}

/// The drop-in that gives the daemon a network, where metrics and the page are at a port: this machine alone, or all others too
/// (docs/how-to/monitoring.md, "Give the daemon a network").
fn network(at: &str) -> Option<String> {
    let is_local = at.starts_with("localhost:") || at.parse::<SocketAddr>().is_ok_and(|at| at.ip().is_loopback());
    let allowed = if is_local { "IPAddressAllow=localhost" } else { "IPAddressDeny=" };
    let is_port = !at.starts_with('/');
    is_port.then(|| format!("[Service]\nPrivateNetwork=no\n{allowed}\nRestrictAddressFamilies=AF_INET AF_INET6\n"))
}

/// Where that drop-in is, among the units, and the link by which the daemon starts at boot.
const DROP_INS: &str = "nix-gocacheprog.service.d";
const NETWORK: &str = "nix-gocacheprog.service.d/http.conf";
const WANTED: &str = "multi-user.target.wants/nix-gocacheprog.service";

/// The steps of `install`, with metrics and the page at an address.
///
/// # Errors
/// Where nix.conf names another hook, or the daemon's settings are there without that address.
pub(crate) fn plan_install(destination: &Destination, http: Option<&str>) -> Result<Vec<Step>, InstallError> {
    http.map_or(Ok(()), |at| check_http(destination, at))?;
    let line = hook_line(destination);
    if let Some(other) = other_hook(&std::fs::read_to_string(&destination.nix_conf).unwrap_or_default(), &line) {
        let program = other.split_once('=').map_or("", |(_, program)| program.trim()).to_owned();
        let (path, settings) = (destination.nix_conf.clone(), destination.setting("hook.toml"));
        return Err(InstallError::OtherHook { path, line: other, program, settings });
    }
    let mut steps = Vec::new();
    if destination.runtime.is_none() {
        steps.push(Step::AddGroup { name: GROUP, has_systemd: destination.has_systemd });
    }
    steps.extend(destination.unit_texts().map(|(path, text)| Step::Write { path, text }));
    steps.extend([
        Step::Write { path: destination.setting("go-env"), text: proto::control::GO_ENV.to_owned() },
        Step::WriteIfMissing { path: destination.setting("hook.toml"), text: destination.hook_settings() },
    ]);
    if let Some(path) = &destination.daemon_settings {
        steps.push(Step::WriteIfMissing { path: path.clone(), text: destination.daemon_settings(http) });
    }
    if let Some(at) = http {
        let path = destination.units.join(NETWORK);
        // At a socket the daemon needs no network: it may have had one.
        steps.push(network(at).map_or(Step::Remove { path: path.clone() }, |text| Step::Write { path, text }));
    }
    steps.extend([
        Step::Link { path: destination.setting("hook"), to: destination.programs.join("prebuild-hook") },
        destination.systemctl("daemon-reload"),
        destination.systemctl(&format!("enable --now {}", destination.units_of(".socket"))),
        // For programs of an earlier version, if they run.
        destination.systemctl(&format!("try-restart {}", destination.units_of(".service"))),
        // Last, as Nix calls the hook from then on.
        Step::AddLine { path: destination.nix_conf.clone(), line },
    ]);
    if destination.runtime.is_none() {
        steps.push(destination.systemctl("try-restart nix-daemon.service"));
    }
    if http.is_some() {
        // Nothing connects to a socket when a browser asks.
        steps.push(destination.systemctl("add-wants multi-user.target nix-gocacheprog.service"));
        steps.push(destination.systemctl("restart nix-gocacheprog.service"));
    }
    Ok(steps)
}

/// The steps of `uninstall`, with or without the cache.
pub(crate) fn plan_uninstall(destination: &Destination, removes_cache: bool) -> Vec<Step> {
    // First, so that Nix calls no hook that does not exist.
    // The second file may have been made or removed since the installation.
    let files = ["nix.conf", "nix.custom.conf"].map(|name| destination.nix_conf.with_file_name(name));
    let mut steps: Vec<_> = files.map(|path| Step::RemoveLine { path, line: hook_line(destination) }).into();
    if destination.runtime.is_none() {
        steps.push(destination.systemctl("try-restart nix-daemon.service"));
    }
    let existing = destination.existing_units();
    // Sockets first, in a command of their own: systemctl warns of a service that a socket can still start. Services are not enabled.
    let (sockets, services): (Vec<_>, Vec<_>) = existing.split_whitespace().partition(|name| name.ends_with(".socket"));
    for (verb, units) in
        [("disable --now", sockets), ("stop", services)].into_iter().filter(|(_, units)| !units.is_empty())
    {
        steps.push(destination.systemctl(&format!("{verb} {}", units.join(" "))));
    }
    if removes_cache {
        // The daemon has ended. A user's systemd does not always have the bus that `systemctl clean` needs.
        steps.extend(destination.caches.iter().map(|path| Step::RemoveTree { path: path.clone() }));
    }
    if !existing.is_empty() {
        steps.extend([NETWORK, WANTED].map(|name| Step::Remove { path: destination.units.join(name) }));
        steps.push(Step::RemoveDir { path: destination.units.join(DROP_INS) });
        steps.extend(destination.unit_texts().map(|(path, _)| Step::Remove { path }));
        steps.push(destination.systemctl("daemon-reload"));
        // The sockets in it went with their units (`RemoveOnStop=`).
        steps.push(Step::RemoveDir { path: destination.sockets.clone() });
    }
    if destination.runtime.is_none() {
        steps.push(Step::RemoveGroup { name: GROUP, has_systemd: destination.has_systemd });
    }
    steps.extend(["hook", "hook.toml", "go-env"].map(|name| Step::Remove { path: destination.setting(name) }));
    steps.push(Step::RemoveDir { path: destination.settings.clone() });
    if let Some(path) = &destination.daemon_settings {
        steps.push(Step::RemoveIfBegins { path: path.clone(), line: OURS });
    }
    steps
}

/// Those of the steps of `uninstall` that leave the settings which an administrator may have edited.
pub(crate) fn without_settings(destination: &Destination, mut steps: Vec<Step>) -> Vec<Step> {
    let edited = ["hook.toml", modproxy::SETTINGS].map(|name| destination.setting(name));
    let has_edited = edited.iter().any(|path| path.exists());
    steps.retain(|step| match step {
        Step::Remove { path } => !edited.contains(path),
        Step::RemoveDir { path } => !has_edited || *path != destination.settings,
        Step::RemoveIfBegins { .. } => false, // the daemon's
        _ => true,
    });
    steps
}

/// A line of nix.conf that names another hook.
fn other_hook(nix_conf: &str, line: &str) -> Option<String> {
    let named = |text: &str| {
        text.split_once('=')
            .is_some_and(|(name, program)| name.trim() == "pre-build-hook" && !program.trim().is_empty())
    };
    nix_conf.lines().map(str::trim).find(|text| named(text) && !is_same(text, line)).map(str::to_owned)
}

//! The steps of an installation and of its removal, in their order.

use std::path::{Path, PathBuf};

use super::destination::Destination;
use super::error::InstallError;
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
        let user = self.user.is_some().then(|| "--user".to_owned());
        Step::Systemctl { words: user.into_iter().chain(words).collect(), has_systemd: self.has_systemd }
    }

    fn units(&self) -> &'static [(&'static str, &'static str)] {
        if self.user.is_some() { &USER_UNITS } else { &SYSTEM_UNITS }
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
    fn daemon_settings(&self) -> String {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        // Not nix.custom.conf: nix.conf includes that one.
        let nix = nix_conf::settings(&self.nix_conf.with_file_name("nix.conf"), &read).unwrap_or_default();
        let trusted = nix_conf::trusted_users(&nix).into_iter();
        let writers = trusted.filter(|name| settings::Principal::try_from(name.clone()).is_ok());
        // A list of texts is written in TOML as in JSON.
        let writers = serde_json::Value::from_iter(writers);
        format!(
            "{OURS}\n\
             # Settings of the daemon (docs/reference/settings.md). `cacheprogctl install` does not change this file again.\n\
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
        if let Some(own) = &self.user {
            text += &format!("control = \"{}\"\n", own.runtime.join("nix-gocacheprog/control.sock").display());
        }
        text
    }
}

/// The line for nix.conf.
fn hook_line(destination: &Destination) -> String {
    format!("pre-build-hook = {}", destination.setting("hook").display())
}

/// The steps of `install`.
///
/// # Errors
/// Where nix.conf names another hook.
pub(crate) fn plan_install(destination: &Destination) -> Result<Vec<Step>, InstallError> {
    let line = hook_line(destination);
    if let Some(other) = other_hook(&std::fs::read_to_string(&destination.nix_conf).unwrap_or_default(), &line) {
        let program = other.split_once('=').map_or("", |(_, program)| program.trim()).to_owned();
        let (path, settings) = (destination.nix_conf.clone(), destination.setting("hook.toml"));
        return Err(InstallError::OtherHook { path, line: other, program, settings });
    }
    let mut steps = Vec::new();
    if destination.user.is_none() {
        steps.push(Step::AddGroup { name: GROUP, has_systemd: destination.has_systemd });
    }
    steps.extend(destination.unit_texts().map(|(path, text)| Step::Write { path, text }));
    steps.extend([
        Step::Write { path: destination.setting("go-env"), text: proto::control::GO_ENV.to_owned() },
        Step::WriteIfMissing { path: destination.setting("hook.toml"), text: destination.hook_settings() },
    ]);
    if let Some(path) = &destination.daemon_settings {
        steps.push(Step::WriteIfMissing { path: path.clone(), text: destination.daemon_settings() });
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
    if destination.user.is_none() {
        steps.push(destination.systemctl("try-restart nix-daemon.service"));
    }
    Ok(steps)
}

/// The steps of `uninstall`.
pub(crate) fn plan_uninstall(destination: &Destination) -> Vec<Step> {
    // First, so that Nix calls no hook that does not exist.
    // The second file may have been made or removed since the installation.
    let files = ["nix.conf", "nix.custom.conf"].map(|name| destination.nix_conf.with_file_name(name));
    let mut steps: Vec<_> = files.map(|path| Step::RemoveLine { path, line: hook_line(destination) }).into();
    if destination.user.is_none() {
        steps.push(destination.systemctl("try-restart nix-daemon.service"));
    }
    let existing = destination.existing_units();
    if !existing.is_empty() {
        steps.push(destination.systemctl(&format!("disable --now {existing}")));
        steps.push(match &destination.user {
            // `systemctl clean` needs a bus, which a user's systemd does not always have.
            Some(own) => Step::RemoveTree { path: own.cache.clone() },
            None => destination.systemctl("clean --what=cache nix-gocacheprog.service"),
        });
        steps.extend(destination.unit_texts().map(|(path, _)| Step::Remove { path }));
        steps.push(destination.systemctl("daemon-reload"));
    }
    if destination.user.is_none() {
        steps.push(Step::RemoveGroup { name: GROUP, has_systemd: destination.has_systemd });
    }
    steps.extend(["hook", "hook.toml", "go-env"].map(|name| Step::Remove { path: destination.setting(name) }));
    steps.push(Step::RemoveDir { path: destination.settings.clone() });
    if let Some(path) = &destination.daemon_settings {
        steps.push(Step::RemoveIfBegins { path: path.clone(), line: OURS });
    }
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

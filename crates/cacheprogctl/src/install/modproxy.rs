//! `install --modproxy`: the module proxy as a service, of the system or of one user. It needs neither the daemon nor Nix.

use std::process::{Command, Stdio};

use super::destination::Destination;
use super::error::InstallError;
use super::steps::Step;

pub(super) const UNIT: &str = "nix-gocacheprog-modproxy.service";

/// Made from nixos/units.nix (nixos/write-files).
const OF_SYSTEM: &str = include_str!("../../units/system/nix-gocacheprog-modproxy.service");
const OF_USER: &str = include_str!("../../units/user/nix-gocacheprog-modproxy.service");

/// The file of its variables, which the unit names.
pub(super) const SETTINGS: &str = "modproxy.env";

/// What a go command has where nothing is set (cmd/go/internal/cfg: `GOPROXY`, `GOSUMDB`).
const DEFAULTS: [&str; 2] = ["https://proxy.golang.org,direct", "sum.golang.org"];

/// GOPROXY and GOSUMDB of the go command in PATH, or its defaults. A list with a password is not taken: all users can read the settings.
pub(crate) fn upstreams() -> [String; 2] {
    let mut go = Command::new("go");
    go.args(["env", "GOPROXY", "GOSUMDB"]).env("GOTOOLCHAIN", "local").current_dir("/");
    let output = go.stdin(Stdio::null()).stderr(Stdio::null()).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    DEFAULTS.map(|default| {
        let value = lines.next().filter(|value| !value.is_empty() && !value.contains('@'));
        value.unwrap_or(default).to_owned()
    })
}

/// The steps of `install --modproxy`.
///
/// # Errors
/// Where the program is missing.
pub(crate) fn plan_install(destination: &Destination, upstreams: &[String; 2]) -> Result<Vec<Step>, InstallError> {
    let programs = &destination.programs;
    if !programs.join("modproxy").is_file() {
        return Err(InstallError::Programs { why: format!("there is no modproxy in {}", programs.display()) });
    }
    let unit = if destination.runtime.is_some() { OF_USER } else { OF_SYSTEM };
    let text = unit.replace("@programs@", &programs.display().to_string());
    Ok(vec![
        Step::Write { path: destination.units.join(UNIT), text },
        Step::WriteIfMissing { path: destination.setting(SETTINGS), text: settings(upstreams) },
        destination.systemctl("daemon-reload"),
        destination.systemctl(&format!("enable {UNIT}")),
        destination.systemctl(&format!("restart {UNIT}")),
    ])
}

/// The steps of its removal, with its modules or without; none where it is not installed.
pub(crate) fn plan_uninstall(destination: &Destination, removes_cache: bool) -> Vec<Step> {
    let unit = destination.units.join(UNIT);
    let mut steps = Vec::new();
    if unit.exists() {
        steps.push(destination.systemctl(&format!("disable --now {UNIT}")));
        if removes_cache && destination.runtime.is_none() {
            steps.push(destination.systemctl(&format!("clean --what=cache {UNIT}")));
        }
        steps.extend([Step::Remove { path: unit }, destination.systemctl("daemon-reload")]);
    }
    if removes_cache {
        steps.extend(destination.module_caches.iter().map(|path| Step::RemoveTree { path: path.clone() }));
    }
    let settings = destination.setting(SETTINGS);
    // Where all of an installation is removed, the other steps remove the directory.
    let is_last = settings.exists() && std::fs::read_dir(&destination.settings).is_ok_and(|files| files.count() == 1);
    steps.push(Step::Remove { path: settings });
    if is_last {
        steps.push(Step::RemoveDir { path: destination.settings.clone() });
    }
    steps
}

/// What a user does with it.
pub(crate) fn next_step(dry_run: bool) -> &'static str {
    if dry_run {
        ""
    } else {
        "done: put it in front of your list, as in GOPROXY='http://127.0.0.1:9416|https://proxy.golang.org,direct'\n"
    }
}

fn settings([list, sumdb]: &[String; 2]) -> String {
    format!(
        "# Settings of the module proxy's service (docs/how-to/module-proxy.md). `cacheprogctl install` does not change this file again.\n\
         # After a change: systemctl restart {UNIT}\n\
         # The proxies to fetch from, and the checksum database whose answers are kept.\n\
         GOPROXY={list}\n\
         GOSUMDB={sumdb}\n\
         # Options of `modproxy serve`, such as --listen 127.0.0.1:3000, --log-requests, --offline.\n\
         MODPROXY_OPTIONS=\n\
         # What its cache may take of the disk. Without it: 10% of the disk, at most 50GiB.\n\
         #NIX_GOCACHEPROG_MAX_SIZE=20GiB\n"
    )
}

//! `install --modproxy`: the module proxy as a service, of the system or of one user. It needs neither the daemon nor Nix.

use std::net::IpAddr;
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

/// Where it listens if its options name no address (modproxy: cli.rs).
const DEFAULT_ADDRESS: &str = "127.0.0.1:9416";

/// GOPROXY and GOSUMDB of the go command in PATH, or its defaults.
pub(crate) fn upstreams() -> [String; 2] {
    let mut go = Command::new("go");
    go.args(["env", "GOPROXY", "GOSUMDB"]).env("GOTOOLCHAIN", "local").current_dir("/");
    let output = go.stdin(Stdio::null()).stderr(Stdio::null()).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    let [list, sumdb] = std::array::from_fn(|_| lines.next().unwrap_or_default());
    usable(list, sumdb)
}

/// These values where the service can use them, else the defaults. A password is not taken: all users can read the settings. Of the
/// list remains what is not on this machine: that may be this very proxy. It has to begin with a proxy to ask.
fn usable(list: &str, sumdb: &str) -> [String; 2] {
    let entries = list.split_inclusive(SEPARATORS).filter(|entry| !is_local(entry.trim_end_matches(SEPARATORS)));
    let list = entries.collect::<String>();
    let list = list.trim_end_matches(SEPARATORS);
    let first = list.split(SEPARATORS).next().unwrap_or_default().trim();
    let has_proxy = !["", "direct", "off"].contains(&first);
    let [default_list, default_sumdb] = DEFAULTS;
    let or = |value: &str, is_usable: bool, default: &str| {
        let value = if is_usable && !value.contains('@') { value } else { default };
        value.to_owned()
    };
    [or(list, has_proxy, default_list), or(sumdb, !sumdb.is_empty(), default_sumdb)]
}

/// What stands between the entries of GOPROXY.
const SEPARATORS: [char; 2] = [',', '|'];

/// Whether the URL of a proxy leads to this machine.
fn is_local(url: &str) -> bool {
    let host = url.trim().split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name);
    let ip = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
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

/// What a user does with it, at the address that its settings have.
pub(crate) fn next_step(destination: &Destination, dry_run: bool) -> String {
    if dry_run {
        return String::new();
    }
    let settings = std::fs::read_to_string(destination.setting(SETTINGS)).unwrap_or_default();
    let address = address(&settings);
    format!(
        "done: put it in front of your list, as in GOPROXY='http://{address}|https://proxy.golang.org,direct'; `cacheprogctl status` \
         shows it while it runs\n"
    )
}

/// The value of `--listen` among the options in its settings.
fn address(settings: &str) -> &str {
    let options =
        settings.lines().filter_map(|line| line.strip_prefix("MODPROXY_OPTIONS=")).next_back().unwrap_or_default();
    let mut words = options.split([' ', '=', '"', '\'']).filter(|word| !word.is_empty());
    words.find(|word| *word == "--listen").and_then(|_| words.next()).unwrap_or(DEFAULT_ADDRESS)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_begins_with_a_proxy_that_is_not_on_this_machine() {
        let [default, _] = DEFAULTS;
        for (list, expected) in [
            ("https://a.test|https://b.test,direct", "https://a.test|https://b.test,direct"),
            ("http://127.0.0.1:9416|https://a.test,direct", "https://a.test,direct"),
            ("https://a.test,http://[::1]:80/x|http://localhost", "https://a.test"),
            ("http://localhost:9416,direct", default),
            ("https://127.example.org", "https://127.example.org"),
            ("https://user:password@a.test", default),
            ("direct", default),
            ("off", default),
            ("", default),
        ] {
            assert_eq!(usable(list, "sum.test"), [expected, "sum.test"], "{list:?}");
        }
        assert_eq!(usable("", ""), DEFAULTS);
    }

    #[test]
    fn the_address_is_that_of_the_settings() {
        for (options, expected) in [
            ("", DEFAULT_ADDRESS),
            ("--offline", DEFAULT_ADDRESS),
            ("--log-requests --listen localhost:3000", "localhost:3000"),
            ("\"--listen=[::1]:3000 --offline\"", "[::1]:3000"),
        ] {
            assert_eq!(address(&format!("# --listen x:1\nMODPROXY_OPTIONS={options}\nA=b\n")), expected);
        }
    }
}

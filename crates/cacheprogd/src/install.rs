//! `cacheprogd install` and `uninstall`: what they put in place on a Linux with systemd that is not NixOS, and where. What
//! each step does is in steps.rs. Both can be said again and again: what is as it should be is left alone.

use std::path::{Path, PathBuf};

use crate::client;
use crate::error::CommandError;
use crate::steps::{Step, carry_out, is_same};

/// The units, made from nixos/units.nix (nixos/write-files). `@programs@` is where the programs lie.
const SYSTEM_UNITS: [(&str, &str); 3] = [
    ("nix-gocacheprog.socket", include_str!("../units/system/nix-gocacheprog.socket")),
    ("nix-gocacheprog-status.socket", include_str!("../units/system/nix-gocacheprog-status.socket")),
    ("nix-gocacheprog.service", include_str!("../units/system/nix-gocacheprog.service")),
];
const USER_UNITS: [(&str, &str); 2] = [
    ("nix-gocacheprog.socket", include_str!("../units/user/nix-gocacheprog.socket")),
    ("nix-gocacheprog.service", include_str!("../units/user/nix-gocacheprog.service")),
];

/// The programs, which lie in one directory.
const PROGRAMS: [&str; 3] = ["cacheprogd", "prebuild-hook", "cacheprog-client"];

/// Where the service may not look (nixos/hardening.nix: `ProtectHome`, `PrivateTmp`), or where programs do not stay.
const NO_PLACES: [&str; 5] = ["/home", "/root", "/tmp", "/var/tmp", "/run"];

/// Whose Nix it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// For a single-user Nix: in this user's own configuration, under this user's own systemd.
    #[arg(long)]
    user: bool,
}

/// What is where.
#[derive(Debug)]
pub(crate) struct Place {
    /// Directory of the programs.
    pub(crate) programs: PathBuf,
    /// Directory of systemd's units.
    pub(crate) units: PathBuf,
    /// Our own directory of settings.
    pub(crate) settings: PathBuf,
    /// Nix's settings.
    pub(crate) nix_conf: PathBuf,
    /// For a user.
    pub(crate) own: Option<Own>,
    /// Whether systemd is there to be told.
    pub(crate) has_systemd: bool,
}

/// Where a user's own daemon has its things.
#[derive(Debug)]
pub(crate) struct Own {
    /// `$XDG_RUNTIME_DIR`: of its socket.
    pub(crate) runtime: PathBuf,
    /// The directory of its cache (nixos/units.nix: `CacheDirectory`).
    pub(crate) cache: PathBuf,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// NixOS puts everything in place by itself.
    #[error("this is NixOS: import nixos/module.nix and set `services.nix-gocacheprog.enable = true` instead")]
    IsNixos,
    /// Only root may do that.
    #[error("this changes the system: run it as root, or with --user for a single-user Nix")]
    NotRoot,
    /// A single-user Nix belongs to a user.
    #[error("--user needs {0}: run it in a session of that user")]
    NoSession(&'static str),
    /// The programs are not where they could stay.
    #[error("{why}; copy {}, {} and {} to /usr/local/bin, say, and run it from there", PROGRAMS[0], PROGRAMS[1], PROGRAMS[2])]
    Programs {
        /// What is wrong.
        why: String,
    },
    /// Nix has another hook.
    #[error(
        "{} has `{line}`: Nix runs one hook only. Remove that line, run this again, and write \
         `chain = [\"{program}\"]` into {}",
        path.display(), settings.display()
    )]
    OtherHook {
        /// Nix's settings.
        path: PathBuf,
        /// The line.
        line: String,
        /// What it names.
        program: String,
        /// Where to say it.
        settings: PathBuf,
    },
    /// A step failed.
    #[error("{what} {}", path.display())]
    Step {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// systemd refused.
    #[error("`{command}` failed: {status}")]
    Command {
        /// The command.
        command: String,
        /// Its end.
        status: String,
    },
}

/// Puts everything in place.
///
/// # Errors
/// A [`CommandError`]; what was done up to then stays, and is found as it should be by the next try.
pub(crate) fn install(args: &Install) -> Result<(), CommandError> {
    let place = place(args)?;
    check_programs(&place.programs, args.user)?;
    let done = carry_out(&plan_install(&place)?, args.dry_run)?;
    client::print(&(done + &farewell(&place, args.dry_run)))
}

/// Takes everything away, and the cache.
///
/// # Errors
/// As [`install`].
pub(crate) fn uninstall(args: &Install) -> Result<(), CommandError> {
    let place = place(args)?;
    client::print(&carry_out(&plan_uninstall(&place), args.dry_run)?)
}

#[expect(clippy::disallowed_methods, reason = "where a user's configuration is, the environment says")]
fn place(args: &Install) -> Result<Place, InstallError> {
    let programs = std::env::current_exe().and_then(std::fs::canonicalize);
    let programs = programs.ok().and_then(|exe| exe.parent().map(Path::to_owned)).unwrap_or_default();
    if !args.user {
        if Path::new("/etc/NIXOS").exists() {
            return Err(InstallError::IsNixos);
        }
        if !rustix::process::geteuid().is_root() && !args.dry_run {
            return Err(InstallError::NotRoot);
        }
        // Determinate Nix writes nix.conf itself and reads this beside it.
        let [own, custom] = ["nix.conf", "nix.custom.conf"].map(|name| Path::new("/etc/nix").join(name));
        return Ok(Place {
            programs,
            units: "/etc/systemd/system".into(),
            settings: "/etc/nix-gocacheprog".into(),
            nix_conf: if custom.exists() { custom } else { own },
            own: None,
            has_systemd: Path::new("/run/systemd/system").is_dir(),
        });
    }
    let path = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
    let config = config.ok_or(InstallError::NoSession("HOME"))?;
    let cache = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")));
    let cache = cache.ok_or(InstallError::NoSession("HOME"))?.join("nix-gocacheprog-builds");
    let runtime = path("XDG_RUNTIME_DIR").ok_or(InstallError::NoSession("XDG_RUNTIME_DIR"))?;
    Ok(Place {
        programs,
        units: config.join("systemd/user"),
        settings: config.join("nix-gocacheprog"),
        nix_conf: config.join("nix/nix.conf"),
        has_systemd: runtime.join("systemd").is_dir(),
        own: Some(Own { runtime, cache }),
    })
}

fn check_programs(dir: &Path, user: bool) -> Result<(), InstallError> {
    let refuse = |why: String| Err(InstallError::Programs { why });
    if let Some(missing) = PROGRAMS.into_iter().find(|name| !dir.join(name).is_file()) {
        return refuse(format!("there is no {missing} in {}", dir.display()));
    }
    if dir.starts_with("/nix/store") {
        return refuse(format!("{} may be collected by Nix as garbage", dir.display()));
    }
    if !user && let Some(no) = NO_PLACES.into_iter().find(|no| dir.starts_with(no)) {
        return refuse(format!("{} lies in {no}, where a service does not look", dir.display()));
    }
    Ok(())
}

impl Place {
    fn systemctl(&self, words: &str) -> Step {
        let words = words.split_whitespace().map(str::to_owned);
        let user = self.own.is_some().then(|| "--user".to_owned());
        Step::Systemctl { words: user.into_iter().chain(words).collect(), is_there: self.has_systemd }
    }

    fn units(&self) -> &'static [(&'static str, &'static str)] {
        if self.own.is_some() { &USER_UNITS } else { &SYSTEM_UNITS }
    }

    fn unit_texts(&self) -> impl Iterator<Item = (PathBuf, String)> {
        let programs = self.programs.display().to_string();
        self.units().iter().map(move |(name, text)| (self.units.join(name), text.replace("@programs@", &programs)))
    }

    fn setting(&self, name: &str) -> PathBuf {
        self.settings.join(name)
    }

    /// The sockets that systemd has for the daemon.
    fn sockets(&self) -> String {
        let names = self.units().iter().map(|(name, _)| *name).filter(|name| name.ends_with(".socket"));
        names.collect::<Vec<_>>().join(" ")
    }

    fn hook_settings(&self) -> String {
        let mut text = format!(
            "# Settings of the pre-build-hook (docs/reference/settings.md). `cacheprogd install` leaves this file as it finds it.\n\
             # \"transparent\": builds with a Go toolchain among their inputs use the cache without asking for it.\n\
             mode = \"opt-in\"\ngo-env = \"{}\"\n",
            self.setting("go-env").display()
        );
        if let Some(own) = &self.own {
            text += &format!("control = \"{}\"\n", own.runtime.join("nix-gocacheprog/control.sock").display());
        }
        text
    }
}

/// The line that Nix needs.
fn hook_line(place: &Place) -> String {
    format!("pre-build-hook = {}", place.setting("hook").display())
}

pub(crate) fn plan_install(place: &Place) -> Result<Vec<Step>, InstallError> {
    let line = hook_line(place);
    if let Some(other) = other_hook(&std::fs::read_to_string(&place.nix_conf).unwrap_or_default(), &line) {
        let program = other.split_once('=').map_or("", |(_, program)| program.trim()).to_owned();
        let (path, settings) = (place.nix_conf.clone(), place.setting("hook.toml"));
        return Err(InstallError::OtherHook { path, line: other, program, settings });
    }
    let mut steps: Vec<_> = place.unit_texts().map(|(path, text)| Step::Write { path, text }).collect();
    steps.extend([
        Step::Write { path: place.setting("go-env"), text: proto::control::GO_ENV.to_owned() },
        Step::Leave { path: place.setting("hook.toml"), text: place.hook_settings() },
        Step::Link { path: place.setting("hook"), to: place.programs.join("prebuild-hook") },
        place.systemctl("daemon-reload"),
        place.systemctl(&format!("enable --now {}", place.sockets())),
        // Of an earlier version, if it runs.
        place.systemctl("try-restart nix-gocacheprog.service"),
        // Last: Nix calls the hook from here on.
        Step::AddLine { path: place.nix_conf.clone(), line },
    ]);
    if place.own.is_none() {
        steps.push(place.systemctl("try-restart nix-daemon.service"));
    }
    Ok(steps)
}

pub(crate) fn plan_uninstall(place: &Place) -> Vec<Step> {
    // First of all: Nix calls no hook that is not there.
    // The other file may have come, or gone, since it was installed.
    let files = ["nix.conf", "nix.custom.conf"].map(|name| place.nix_conf.with_file_name(name));
    let mut steps: Vec<_> = files.map(|path| Step::RemoveLine { path, line: hook_line(place) }).into();
    if place.own.is_none() {
        steps.push(place.systemctl("try-restart nix-daemon.service"));
    }
    if place.unit_texts().any(|(path, _)| path.exists()) {
        steps.push(place.systemctl(&format!("disable --now {} nix-gocacheprog.service", place.sockets())));
        steps.push(match &place.own {
            // A user's systemd is not always on a bus, which this needs.
            Some(own) => Step::RemoveTree { path: own.cache.clone() },
            None => place.systemctl("clean --what=cache nix-gocacheprog.service"),
        });
        steps.extend(place.unit_texts().map(|(path, _)| Step::Remove { path }));
        steps.push(place.systemctl("daemon-reload"));
    }
    steps.extend(["hook", "hook.toml", "go-env"].map(|name| Step::Remove { path: place.setting(name) }));
    steps.push(Step::RemoveDir { path: place.settings.clone() });
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

fn farewell(place: &Place, dry_run: bool) -> String {
    if dry_run {
        return String::new();
    }
    let start = if place.has_systemd {
        String::new()
    } else {
        "systemd does not run here: start the daemon by other means (docs/how-to/install.md, \"Without systemd\")\n".to_owned()
    };
    format!("{start}done: a Go package with nixGocacheprogHook among its nativeBuildInputs is built with the cache\n")
}

//! Where an installation goes: the directories of the programs, units and settings, for the system or for one user.

use std::path::{Path, PathBuf};

use super::error::InstallError;

/// The programs that an installation needs. They are in one directory.
const PROGRAMS: [&str; 3] = ["cacheprogd", "prebuild-hook", "cacheprog-client"];

/// The one that the units of a system need besides.
const PROGRAM_OF_SYSTEM: &str = "cacheprog-remote";

/// Directories that the service may not read (nixos/hardening.nix: `ProtectHome`, `PrivateTmp`), or in which programs do not stay.
const UNUSABLE: [&str; 5] = ["/home", "/root", "/tmp", "/var/tmp", "/run"];

/// What is where.
#[derive(Debug)]
pub(crate) struct Destination {
    /// Directory of the programs.
    pub(crate) programs: PathBuf,
    /// Directory of systemd's units.
    pub(crate) units: PathBuf,
    /// Directory of our settings.
    pub(crate) settings: PathBuf,
    /// The daemon's settings; of a user's own daemon there are none.
    pub(crate) daemon_settings: Option<PathBuf>,
    /// Nix's settings.
    pub(crate) nix_conf: PathBuf,
    /// For a user's own daemon.
    pub(crate) user: Option<UserDirs>,
    /// Whether systemd runs.
    pub(crate) has_systemd: bool,
    /// Directory of man pages and completions; none where the programs came in a package, which has them.
    pub(crate) share: Option<PathBuf>,
}

/// The directories of a user's own daemon.
#[derive(Debug)]
pub(crate) struct UserDirs {
    /// `$XDG_RUNTIME_DIR`, for its socket.
    pub(crate) runtime: PathBuf,
    /// The directory of its cache (nixos/units.nix: `CacheDirectory`).
    pub(crate) cache: PathBuf,
}

impl Destination {
    /// The destination for the system, or for this user.
    pub(crate) fn find(user: bool, dry_run: bool) -> Result<Self, InstallError> {
        let programs = std::env::current_exe().and_then(std::fs::canonicalize);
        let programs = programs.ok().and_then(|exe| exe.parent().map(Path::to_owned)).unwrap_or_default();
        if user { Self::of_user(programs) } else { Self::of_system(programs, dry_run) }
    }

    fn of_system(programs: PathBuf, dry_run: bool) -> Result<Self, InstallError> {
        if Path::new("/etc/NIXOS").exists() {
            return Err(InstallError::IsNixos);
        }
        if !rustix::process::geteuid().is_root() && !dry_run {
            return Err(InstallError::NotRoot);
        }
        // Determinate Nix writes nix.conf itself, and reads this file too.
        let [own, custom] = ["nix.conf", "nix.custom.conf"].map(|name| Path::new("/etc/nix").join(name));
        Ok(Self {
            share: (!is_of_package(&programs)).then(|| "/usr/local/share".into()),
            programs,
            units: "/etc/systemd/system".into(),
            settings: "/etc/nix-gocacheprog".into(),
            daemon_settings: Some(proto::control::DEFAULT_SETTINGS.into()),
            nix_conf: if custom.exists() { custom } else { own },
            user: None,
            has_systemd: Path::new("/run/systemd/system").is_dir(),
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the environment says where a user's configuration is")]
    fn of_user(programs: PathBuf) -> Result<Self, InstallError> {
        let path = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
        let config = config.ok_or(InstallError::NoSession("HOME"))?;
        let cache = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")));
        let cache = cache.ok_or(InstallError::NoSession("HOME"))?.join("nix-gocacheprog-builds");
        let runtime = path("XDG_RUNTIME_DIR").ok_or(InstallError::NoSession("XDG_RUNTIME_DIR"))?;
        let share = path("XDG_DATA_HOME").or_else(|| path("HOME").map(|home| home.join(".local/share")));
        let share = share.filter(|_| !is_of_package(&programs));
        Ok(Self {
            programs,
            units: config.join("systemd/user"),
            settings: config.join("nix-gocacheprog"),
            daemon_settings: None,
            nix_conf: config.join("nix/nix.conf"),
            has_systemd: runtime.join("systemd").is_dir(),
            share,
            user: Some(UserDirs { runtime, cache }),
        })
    }

    /// A file of our settings.
    pub(crate) fn setting(&self, name: &str) -> PathBuf {
        self.settings.join(name)
    }
}

/// Whether a package of the distribution put the programs there.
fn is_of_package(programs: &Path) -> bool {
    programs.starts_with("/usr") && !programs.starts_with("/usr/local")
}

/// Whether the programs are all in this directory and can stay there.
pub(crate) fn check_programs(dir: &Path, user: bool) -> Result<(), InstallError> {
    let refuse = |why: String| Err(InstallError::Programs { why });
    let mut needed = PROGRAMS.into_iter().chain((!user).then_some(PROGRAM_OF_SYSTEM));
    if let Some(missing) = needed.find(|name| !dir.join(name).is_file()) {
        return refuse(format!("there is no {missing} in {}", dir.display()));
    }
    if dir.starts_with("/nix/store") {
        return refuse(format!("Nix may collect {} as garbage", dir.display()));
    }
    if !user && let Some(unusable) = UNUSABLE.into_iter().find(|unusable| dir.starts_with(unusable)) {
        return refuse(format!("{} is below {unusable}, which a service may not read", dir.display()));
    }
    Ok(())
}

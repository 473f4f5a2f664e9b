//! Where an installation goes: the directories of the programs, units and settings, for the system or for one user.

use std::path::{Path, PathBuf};

use super::error::InstallError;
use crate::error::NIXOS;
use crate::user_dirs;

/// The programs that an installation needs. They are in one directory.
const PROGRAMS: [&str; 3] = ["cacheprogd", "prebuild-hook", "cacheprog-client"];

/// The one that the units of a system need besides.
const PROGRAM_OF_SYSTEM: &str = "cacheprog-remote";

/// Directories that the service may not read (nixos/hardening.nix: `ProtectHome`, `PrivateTmp`), or in which programs do not stay.
const UNUSABLE: [&str; 5] = ["/home", "/root", "/tmp", "/var/tmp", "/run"];

/// The cache of the system's unit: first where it is (nixos/units.nix: `CacheDirectory`).
const SYSTEM_CACHES: [&str; 2] = ["/var/cache/private/nix-gocacheprog", "/var/cache/nix-gocacheprog"];

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
    /// Where the cache may be: that of the system's unit, and its link (`systemd.exec(5)`, `DynamicUser=`), or the user's.
    pub(crate) caches: Vec<PathBuf>,
    /// The same of the module proxy's unit. A user's own keeps modules in the store of the client, which has more than these.
    pub(crate) module_caches: Vec<PathBuf>,
    /// `$XDG_RUNTIME_DIR`, for the socket of a user's own daemon.
    pub(crate) runtime: Option<PathBuf>,
    /// Directory of the control socket, which systemd makes.
    pub(crate) sockets: PathBuf,
    /// Whether systemd runs.
    pub(crate) has_systemd: bool,
    /// Directory of man pages and completions; none where the programs came in a package, which has them.
    pub(crate) share: Option<PathBuf>,
}

impl Destination {
    /// The destination for the system, or for this user.
    pub(crate) fn find(user: bool, dry_run: bool) -> Result<Self, InstallError> {
        let exe = std::env::current_exe().and_then(std::fs::canonicalize);
        let programs = exe.map(|exe| directory_of_programs(&exe)).unwrap_or_default();
        if user { Self::of_user(programs) } else { Self::of_system(programs, dry_run) }
    }

    fn of_system(programs: PathBuf, dry_run: bool) -> Result<Self, InstallError> {
        if Path::new(NIXOS).exists() {
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
            caches: SYSTEM_CACHES.map(PathBuf::from).into(),
            module_caches: SYSTEM_CACHES.map(|path| format!("{path}-modproxy").into()).into(),
            runtime: None,
            sockets: "/run/nix-gocacheprog".into(),
            has_systemd: Path::new("/run/systemd/system").is_dir(),
        })
    }

    fn of_user(programs: PathBuf) -> Result<Self, InstallError> {
        let config = user_dirs::config().ok_or(InstallError::NoSession("HOME"))?;
        let cache = user_dirs::cache().ok_or(InstallError::NoSession("HOME"))?;
        let runtime = Some(user_dirs::runtime()).filter(|dir| dir.is_dir());
        let runtime = runtime.ok_or(InstallError::NoSession("XDG_RUNTIME_DIR"))?;
        let share = user_dirs::data().filter(|_| !is_of_package(&programs));
        Ok(Self {
            programs,
            units: config.join("systemd/user"),
            settings: config.join("nix-gocacheprog"),
            daemon_settings: None,
            nix_conf: config.join("nix/nix.conf"),
            has_systemd: runtime.join("systemd").is_dir(),
            share,
            caches: vec![cache],
            module_caches: Vec::new(),
            sockets: runtime.join("nix-gocacheprog"),
            runtime: Some(runtime),
        })
    }

    /// A file of our settings.
    pub(crate) fn setting(&self, name: &str) -> PathBuf {
        self.settings.join(name)
    }
}

/// The directory of the programs: that of this one. Where this is `bin/` of a release, they are in its libexec/.
fn directory_of_programs(exe: &Path) -> PathBuf {
    let own = exe.parent().unwrap_or(Path::new(""));
    let of_release = own.with_file_name("libexec").join("nix-gocacheprog");
    let has_daemon = |dir: &Path| dir.join(PROGRAMS[0]).is_file();
    if !has_daemon(own) && has_daemon(&of_release) { of_release } else { own.to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_a_release_are_found_from_its_bin_and_others_beside_this_one() {
        let dir = tempfile::tempdir().unwrap();
        let [bin, libexec] = ["bin", "libexec/nix-gocacheprog"].map(|name| dir.path().join(name));
        [&bin, &libexec].into_iter().for_each(|dir| std::fs::create_dir_all(dir).unwrap());
        let found = || directory_of_programs(&bin.join("cacheprogctl"));
        assert_eq!(found(), bin);
        std::fs::write(libexec.join("cacheprogd"), "").unwrap();
        assert_eq!(found(), libexec);
        std::fs::write(bin.join("cacheprogd"), "").unwrap();
        assert_eq!(found(), bin);
    }
}

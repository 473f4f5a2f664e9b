//! Where a user's own daemon (`install --user`) has its settings, its cache and its socket: as systemd has it, also in a shell without
//! the variables of a session.

use std::path::PathBuf;

/// Below the cache directory (nixos/units.nix: `CacheDirectory`).
const CACHE: &str = "nix-gocacheprog-builds";

/// Below the directory for sockets (nixos/units.nix: `ListenStream`).
const SOCKET: &str = "nix-gocacheprog/control.sock";

/// `~/.config`.
pub(crate) fn config() -> Option<PathBuf> {
    variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))
}

/// The daemon's cache.
pub(crate) fn cache() -> Option<PathBuf> {
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    cache.map(|cache| cache.join(CACHE))
}

/// `~/.local/share`, for man pages and completions.
pub(crate) fn data() -> Option<PathBuf> {
    variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")))
}

/// The directory for sockets. systemd makes it for each user who has a session (`pam_systemd(8)`).
pub(crate) fn runtime() -> PathBuf {
    let of_session = || PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    variable("XDG_RUNTIME_DIR").unwrap_or_else(of_session)
}

/// The daemon's control socket.
pub(crate) fn control_socket() -> PathBuf {
    runtime().join(SOCKET)
}

/// The unit of that socket.
pub(crate) fn unit() -> Option<PathBuf> {
    config().map(|config| config.join("systemd/user/nix-gocacheprog.socket"))
}

#[expect(clippy::disallowed_methods, reason = "the environment says where a user's directories are")]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

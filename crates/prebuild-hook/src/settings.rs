//! What the hook is told by its environment: nix.conf has no place for arguments.

use std::path::PathBuf;

use proto::control::DEFAULT_SOCKET;

/// What to do for a derivation that cannot be read, as on most remote builders, where Nix sends no .drv
/// (FACTS-nix.md 1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Offer the cache: only a derivation with our setup hook uses it.
    Offer,
    /// Leave the build alone.
    Skip,
}

#[derive(Debug)]
pub(crate) struct Settings {
    /// `NIX_GOCACHEPROG_CONTROL`: the daemon's control socket.
    pub(crate) control: PathBuf,
    /// `NIX_GOCACHEPROG_CLIENT`: the client to mount; by default the one beside this program.
    pub(crate) client: PathBuf,
    /// `NIX_GOCACHEPROG_MODPROXY`: the module proxy to mount, if it is there; by default the one beside this program.
    pub(crate) modproxy: PathBuf,
    /// `NIX_GOCACHEPROG_UNREADABLE`: `offer` (the default) or `skip`.
    pub(crate) unreadable: Unreadable,
}

impl Settings {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub(crate) fn read() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let exe = std::env::current_exe().and_then(std::fs::canonicalize).unwrap_or_default();
        let skip = std::env::var_os("NIX_GOCACHEPROG_UNREADABLE").is_some_and(|value| value == "skip");
        Self {
            control: path("NIX_GOCACHEPROG_CONTROL").unwrap_or_else(|| DEFAULT_SOCKET.into()),
            client: path("NIX_GOCACHEPROG_CLIENT").unwrap_or_else(|| exe.with_file_name("cacheprog-client")),
            modproxy: path("NIX_GOCACHEPROG_MODPROXY").unwrap_or_else(|| exe.with_file_name("modproxy")),
            unreadable: if skip { Unreadable::Skip } else { Unreadable::Offer },
        }
    }
}

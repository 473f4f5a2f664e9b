//! Which store to work on, as options: the daemon's, or one of `cacheprog-client`, by default the user's own.
//!
//! Where the user's own store is, the store crate knows (`own_dir.rs`); what is done with a store, the commands know.

use std::path::PathBuf;

use store::{Limits, Mode, Store};

use crate::error::{SettingsError, StateError};
use crate::state_dir::StateDir;
use crate::typed::Typed;

/// The size of the client's store, as the client reads it.
const MAX_SIZE: &str = "NIX_GOCACHEPROG_MAX_SIZE";

/// A store of `cacheprog-client`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OwnStore {
    /// A store of cacheprog-client; without DIR your own one.
    ///
    /// It comes in the place of the daemon's store, and needs no daemon. Your own one is that which cacheprog-client uses by itself:
    /// $XDG_CACHE_HOME/nix-gocacheprog, or ~/.cache/nix-gocacheprog.
    #[arg(long, value_name = "DIR")]
    store: Option<Option<PathBuf>>,
}

/// The daemon's store, or one of `cacheprog-client`.
#[derive(Debug, clap::Args)]
pub struct AnyStore {
    #[command(flatten)]
    state: Typed<StateDir>,
    #[command(flatten)]
    own: OwnStore,
}

impl OwnStore {
    /// Its directory; `None` where the option is not there.
    ///
    /// # Errors
    /// Where the user has no home, and the option has no directory.
    pub fn dir(&self) -> Result<Option<PathBuf>, StateError> {
        match &self.store {
            None => Ok(None),
            Some(Some(dir)) => Ok(Some(dir.clone())),
            Some(None) => own_dir().map(Some).ok_or(StateError::NoHome),
        }
    }
}

impl AnyStore {
    /// The directory.
    ///
    /// # Errors
    /// As [`OwnStore::dir`], and where both are on the command line.
    pub fn dir(&self) -> Result<PathBuf, StateError> {
        if self.is_own() && self.state.has("state_dir") {
            return Err(StateError::TwoStores);
        }
        Ok(self.own.dir()?.unwrap_or_else(|| self.state.options.state_dir.clone()))
    }

    /// Opens the store, as [`StateDir::open`].
    ///
    /// # Errors
    /// As [`Self::dir`] and [`StateDir::open`].
    pub fn open(&self, mode: Mode) -> Result<Store, StateError> {
        StateDir { state_dir: self.dir()? }.open(mode)
    }

    /// Whether it is one of `cacheprog-client`, which the daemon's settings do not limit.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own.store.is_some()
    }
}

/// The directory of the user's own store.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the environment says where a user's cache is")]
pub fn own_dir() -> Option<PathBuf> {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    store::own_store_dir(path("XDG_CACHE_HOME"), path("HOME"))
}

/// The limits that `cacheprog-client` keeps a store within.
///
/// # Errors
/// Where the variable has no size. The client warns then, and keeps the default.
#[expect(clippy::disallowed_methods, reason = "the environment says what the client's limits are")]
pub fn own_limits() -> Result<Limits, SettingsError> {
    let size = std::env::var_os(MAX_SIZE).filter(|size| !size.is_empty());
    let Some(value) = size.map(|size| size.to_string_lossy().into_owned()) else { return Ok(Limits::default()) };
    Limits::with_max_size(&value).map_err(|what| SettingsError::Variable { name: MAX_SIZE, value, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    #[test]
    fn two_stores_on_the_command_line_are_refused() {
        let dir = |line: &[&str]| {
            let command = AnyStore::augment_args(clap::Command::new("x").no_binary_name(true));
            AnyStore::from_arg_matches(&command.get_matches_from(line)).unwrap().dir()
        };
        assert_eq!(dir(&["--state-dir", "/a"]).unwrap(), PathBuf::from("/a"));
        assert_eq!(dir(&["--store", "/b"]).unwrap(), PathBuf::from("/b"));
        assert!(matches!(dir(&["--store", "/b", "--state-dir", "/a"]), Err(StateError::TwoStores)));
    }
}

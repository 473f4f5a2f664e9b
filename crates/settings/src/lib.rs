//! What the programs of a host share: the daemon (cacheprogd) and the command line (cacheprogctl).
//!
//! file.rs reads the settings file and the options that overrule it; listen.rs has the addresses and sockets in them, trust.rs whose
//! builds write for all, remote.rs the store that machines share; accounts.rs finds those on this machine. `own_store.rs` finds the user's own store, `state_dir.rs` opens the state directory as its owner and holds its
//! lock; typed.rs tells options of the command line from variables; log.rs starts the log and formats its lines; error.rs says what failed.
//!
//! Nothing here speaks to a daemon, and nothing here serves.

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod accounts;
mod error;
mod file;
mod listen;
mod log;
mod own_store;
mod remote;
mod state_dir;
mod trust;
mod typed;

pub use accounts::Accounts;
pub use error::{SettingsError, StateError};
pub use file::{Age, AgeError, LayerDir, LayerDirError, LimitOptions, OrNone, Settings, limit_arguments, read};
pub use listen::{HttpAddress, ListenError, SocketPath};
pub use log::start_log;
pub use own_store::{AnyStore, OwnStore, own_dir, own_limits};
pub use remote::{Remote, RemoteEndpoint, RemoteError, RemoteUrl, RemoteWrite};
pub use state_dir::{StateDir, lock_state_dir};
pub use trust::{Principal, PrincipalError, Trust, Witnesses, WitnessesError};

//! What the programs of a host share: the daemon (cacheprogd) and the command line (cacheprogctl).
//!
//! file.rs reads the settings file and the options that overrule it; listen.rs has the addresses and sockets in them; `state_dir.rs` opens the state directory as its owner and
//! holds its lock; `log_line.rs` formats a line of the log; error.rs says what failed.
//!
//! Nothing here speaks to a daemon, and nothing here serves.

mod error;
mod file;
mod listen;
mod log_line;
mod state_dir;

pub use error::{SettingsError, StateError};
pub use file::{Age, AgeError, LimitOptions, OrNone, Settings, limit_arguments, read};
pub use listen::{HttpAddress, ListenError, SocketPath};
pub use log_line::log_line;
pub use state_dir::{StateDir, lock_state_dir};

//! Why a build gets no cache.

use std::path::PathBuf;
use std::time::Duration;

use crate::register::RegisterError;
use crate::sandbox_paths::SandboxPathError;
use crate::settings::SettingsError;

/// Nix calls the hook from the loop that runs all builds of a client, and waits for it without limit.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);

/// Why a build gets no cache.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The arguments are not those of a pre-build-hook.
    #[error("Nix gave no derivation")]
    NoDerivation,
    /// The settings are wrong.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The file exists and is no derivation.
    #[error("{} is not a derivation", .0.display())]
    NotADerivation(PathBuf),
    /// The registration at the daemon failed.
    #[error("{0}")]
    Daemon(#[from] RegisterError),
    /// A file or directory for the sandbox cannot be used.
    #[error("{0}")]
    SandboxPath(#[from] SandboxPathError),
    /// The deadline has passed.
    #[error("no answer within {DEADLINE:?}")]
    Deadline,
    /// A fault in this program.
    #[error("internal error in the hook")]
    Internal,
}

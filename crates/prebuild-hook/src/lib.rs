//! The hook without its process: what to print for a build, if anything.
//!
//! drv.rs reads a derivation, decide.rs says whether it wants the cache (both pure), register.rs asks the daemon,
//! offer.rs checks what is offered and words it.

pub mod drv;

mod decide;
mod offer;
mod register;
mod settings;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use settings::Settings;

/// Nix calls the hook from the loop that runs all of a client's builds, and waits for it without limit.
const DEADLINE: Duration = Duration::from_secs(1);

/// Why a build goes without a cache.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Called by hand, or by a Nix with other habits.
    #[error("usage: prebuild-hook DRV [CHROOT], as Nix calls its pre-build-hook")]
    Usage,
    /// The derivation is there and is none.
    #[error("{} is not a derivation", .0.display())]
    NotADerivation(PathBuf),
    /// The daemon cannot be asked.
    #[error("{0}")]
    Daemon(#[from] register::RegisterError),
    /// What would be offered cannot be used.
    #[error("{0}")]
    Offer(#[from] offer::OfferError),
    /// It took too long.
    #[error("no answer within {DEADLINE:?}")]
    Deadline,
    /// A fault in this program.
    #[error("the hook failed inside")]
    Panic,
}

/// What to print for the build that Nix names in `args`; `None` for a build that does not want the cache.
///
/// # Errors
/// Why a build that wants the cache gets none. Never takes longer than a second, and never panics.
pub fn run(args: Vec<OsString>) -> Result<Option<String>, HookError> {
    let (send, receive) = mpsc::sync_channel(1);
    let work = move || {
        // The receiver is gone after the deadline, and with it whoever could be told.
        drop(send.send(answer(&args)));
    };
    thread::Builder::new().name("hook".to_owned()).spawn(work).map_err(|_| HookError::Panic)?;
    match receive.recv_timeout(DEADLINE) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(HookError::Deadline),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(HookError::Panic),
    }
}

fn answer(args: &[OsString]) -> Result<Option<String>, HookError> {
    let [derivation, rest @ ..] = args else { return Err(HookError::Usage) };
    // Darwin's Nix up to 2.29 passes an empty chroot (FACTS-nix.md 1.2).
    let chroot = rest.first().filter(|chroot| !chroot.is_empty()).map(PathBuf::from);
    let derivation = PathBuf::from(derivation);
    let settings = Settings::read();
    if !decide::wants_cache(&derivation, chroot.as_deref(), settings.unreadable)? {
        return Ok(None);
    }
    let client = offer::usable(&settings.client)?;
    let modproxy = offer::usable(&settings.modproxy).ok(); // the cache does not need it
    let directory = register::register(&settings.control, &derivation, chroot.as_deref())?;
    Ok(Some(offer::paths(&directory, &client, modproxy.as_deref())?))
}

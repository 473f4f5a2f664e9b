//! The hook without its process: what to print for a build, if anything.
//!
//! settings.rs is what it is told, drv.rs reads a derivation, decide.rs says what it is offered (pattern.rs: by name),
//! register.rs asks the daemon, offer.rs checks what is offered and words it, chain.rs runs other hooks.

pub mod drv;

mod chain;
mod decide;
mod offer;
mod pattern;
mod register;
mod settings;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use chain::Said;
use decide::Decision;
use settings::{Settings, SettingsError};

/// Nix calls the hook from the loop that runs all of a client's builds, and waits for it without limit.
const DEADLINE: Duration = Duration::from_secs(1);

/// Why a build goes without a cache.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Called by hand, or by a Nix with other habits.
    #[error("usage: prebuild-hook DRV [CHROOT], as Nix calls its pre-build-hook, or prebuild-hook --check SETTINGS")]
    Usage,
    /// What it is told makes no sense.
    #[error("{0}")]
    Settings(#[from] SettingsError),
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

/// What Nix is answered.
#[derive(Debug, Default)]
pub struct Outcome {
    /// For standard output.
    pub text: Vec<u8>,
    /// The exit code: 0, or that of another hook of the chain which failed.
    pub code: u8,
    /// What the journal is told: why a build that wants the cache gets none, and which other hook is missing.
    pub trouble: Vec<String>,
}

/// What to answer for the build that Nix names in `args`. Our own part never takes longer than a second, never fails and
/// never panics.
#[must_use]
pub fn run(called: &OsStr, args: &[OsString]) -> Outcome {
    let outcome = std::panic::catch_unwind(|| respond(called, args));
    outcome.unwrap_or_else(|_| Outcome { trouble: vec![goes_without(&HookError::Panic)], ..Outcome::default() })
}

fn respond(called: &OsStr, args: &[OsString]) -> Outcome {
    if settings::is_chained() {
        return Outcome::default(); // the first of us answers
    }
    let settings = match Settings::read(called) {
        Ok(settings) => settings,
        Err(e) => return Outcome { trouble: vec![goes_without(&e.into())], ..Outcome::default() },
    };
    let (chain, began) = (settings.chain.clone(), Instant::now());
    let ours = start(settings, args.to_vec());
    let said = chain::run(&chain, args);
    let ours = ours.and_then(|ours| finish(&ours, DEADLINE.saturating_sub(began.elapsed())));
    merge(said, ours)
}

/// Says what is wrong with a file of settings.
///
/// # Errors
/// That.
pub fn check(settings: &Path) -> Result<(), HookError> {
    let settings = Settings::read_file(settings)?;
    if let Some(transparent) = &settings.transparent {
        offer::check_go_env(&transparent.go_env)?;
    }
    Ok(())
}

fn goes_without(error: &HookError) -> String {
    format!("this build goes without a cache: {error}")
}

fn start(settings: Settings, args: Vec<OsString>) -> Result<Receiver<Result<Option<String>, HookError>>, HookError> {
    let (send, receive) = mpsc::sync_channel(1);
    let work = move || {
        // The receiver is gone after the deadline, and with it whoever could be told.
        drop(send.send(answer(&settings, &args)));
    };
    thread::Builder::new().name("hook".to_owned()).spawn(work).map_err(|_| HookError::Panic)?;
    Ok(receive)
}

fn finish(ours: &Receiver<Result<Option<String>, HookError>>, left: Duration) -> Result<Option<String>, HookError> {
    match ours.recv_timeout(left) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(HookError::Deadline),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(HookError::Panic),
    }
}

fn merge(said: Said, ours: Result<Option<String>, HookError>) -> Outcome {
    let missing = said
        .missing
        .iter()
        .map(|(path, e)| format!("this build goes without the hook {}, which cannot be started: {e}", path.display()));
    let mut outcome = Outcome { text: said.text, code: 0, trouble: missing.collect() };
    match ours {
        Ok(Some(text)) if said.is_whole => outcome.text.extend_from_slice(text.as_bytes()),
        Ok(_) => {}
        Err(e) => outcome.trouble.push(goes_without(&e)),
    }
    if let Some(code) = said.failed {
        outcome.text.clear();
        outcome.code = code;
    }
    outcome
}

fn answer(settings: &Settings, args: &[OsString]) -> Result<Option<String>, HookError> {
    let [derivation, rest @ ..] = args else { return Err(HookError::Usage) };
    // Darwin's Nix up to 2.29 passes an empty chroot (docs/facts/nix.md, "How the hook is called").
    let chroot = rest.first().filter(|chroot| !chroot.is_empty()).map(PathBuf::from);
    let derivation = PathBuf::from(derivation);
    let (go_env, is_plain) = match (decide::decide(&derivation, chroot.as_deref(), settings)?, &settings.transparent) {
        (Decision::Nothing, _) => return Ok(None),
        (Decision::Transparent, Some(transparent)) => (offer::go_env(&transparent.go_env)?, false),
        (Decision::Cache | Decision::Transparent, _) => (String::new(), true),
    };
    let client = offer::usable(&settings.client)?;
    // The cache does not need it, and only a setup hook starts it.
    let modproxy = if is_plain { offer::modproxy(&settings.modproxy) } else { None };
    let directory = register::register(&settings.control, &derivation, chroot.as_deref())?;
    Ok(Some(offer::paths(&directory, &client, &(go_env + &modproxy.unwrap_or_default()))?))
}

//! The hook without its process: the text that it prints for a build.
//!
//! settings.rs reads the settings, drv.rs parses a derivation, decide.rs decides what a build is offered (pattern.rs: by its
//! name), explain.rs tells a person why, register.rs registers the build at the daemon, requester.rs finds out who asked for it, goroots.rs where its toolchain is, `sandbox_paths.rs` checks the files and directories for the sandbox and makes the
//! text for Nix, chain.rs runs other hooks, error.rs has the reasons for no cache.
//!
//! The rule to keep: whatever goes wrong in here, the result is a build without a cache, within a second.

pub mod drv;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod chain;
mod decide;
mod derivation_file;
mod error;
mod explain;
mod goroots;
mod network;
mod pattern;
mod register;
mod requester;
mod sandbox_paths;
mod settings;
mod store_path;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use chain::ChainOutput;
use decide::Decision;
use error::DEADLINE;
use settings::Settings;

pub use error::HookError;

/// What the process prints and how it exits.
#[derive(Debug, Default)]
pub struct Outcome {
    /// For standard output.
    pub text: Vec<u8>,
    /// The exit code: 0, or that of another hook of the chain that failed.
    pub code: u8,
    /// For standard error: why a build that asks for the cache gets none, and which other hook is missing.
    pub warnings: Vec<String>,
}

/// Answers for the build that Nix names in `args`. Without the other hooks it takes at most a second, never fails and never
/// panics.
#[must_use]
pub fn run(called: &OsStr, args: &[OsString]) -> Outcome {
    let outcome = std::panic::catch_unwind(|| respond(called, args));
    outcome.unwrap_or_else(|_| Outcome { warnings: vec![no_cache(&HookError::Internal)], ..Outcome::default() })
}

fn respond(called: &OsStr, args: &[OsString]) -> Outcome {
    if settings::is_chained() {
        return Outcome::default(); // the outer hook answers
    }
    let settings = match Settings::read(called) {
        Ok(settings) => settings,
        Err(e) => return Outcome { warnings: vec![no_cache(&e.into())], ..Outcome::default() },
    };
    let (chain, began) = (settings.chain.clone(), Instant::now());
    let ours = start(settings, args.to_vec());
    let theirs = chain::run(&chain, args);
    let ours = ours.and_then(|ours| finish(&ours, DEADLINE.saturating_sub(began.elapsed())));
    merge(theirs, ours)
}

/// Checks a file of settings.
///
/// # Errors
/// What is wrong with it.
pub fn check(settings: &Path) -> Result<(), HookError> {
    let settings = Settings::read_file(settings)?;
    if let Some(transparent) = &settings.transparent {
        sandbox_paths::check_go_env(&transparent.go_env)?;
    }
    Ok(())
}

/// Tells whether a build of a derivation is offered the cache, and why. Nothing is registered.
///
/// # Errors
/// Where the settings are wrong, or it is no derivation.
pub fn explain(called: &OsStr, derivation: &Path) -> Result<String, HookError> {
    explain::explain(derivation, &Settings::read(called)?)
}

fn no_cache(error: &HookError) -> String {
    format!("no cache for this build: {error}")
}

fn start(settings: Settings, args: Vec<OsString>) -> Result<Receiver<Result<Option<String>, HookError>>, HookError> {
    let (send, receive) = mpsc::sync_channel(1);
    let work = move || {
        // After the deadline there is no receiver any more.
        drop(send.send(answer(&settings, &args)));
    };
    thread::Builder::new().name("hook".to_owned()).spawn(work).map_err(|_| HookError::Internal)?;
    Ok(receive)
}

fn finish(ours: &Receiver<Result<Option<String>, HookError>>, left: Duration) -> Result<Option<String>, HookError> {
    match ours.recv_timeout(left) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(HookError::Deadline),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(HookError::Internal),
    }
}

fn merge(theirs: ChainOutput, ours: Result<Option<String>, HookError>) -> Outcome {
    let missing = theirs
        .missing
        .iter()
        .map(|(path, e)| format!("skipping the hook {}, which cannot be started: {e}", path.display()));
    let mut outcome = Outcome { text: theirs.text, code: 0, warnings: missing.collect() };
    match ours {
        Ok(Some(text)) if theirs.is_complete => outcome.text.extend_from_slice(text.as_bytes()),
        Ok(_) => {}
        Err(e) => outcome.warnings.push(no_cache(&e)),
    }
    if let Some(code) = theirs.failed {
        outcome.text.clear();
        outcome.code = code;
    }
    outcome
}

fn answer(settings: &Settings, args: &[OsString]) -> Result<Option<String>, HookError> {
    let [derivation, rest @ ..] = args else { return Err(HookError::NoDerivation) };
    // Darwin's Nix up to 2.29 passes an empty chroot (docs/facts/nix.md, "How the hook is called").
    let chroot = rest.first().filter(|chroot| !chroot.is_empty()).map(PathBuf::from);
    let derivation = PathBuf::from(derivation);
    let (go_env, has_setup_hook) =
        match (decide::decide(&derivation, chroot.as_deref(), settings)?, &settings.transparent) {
            (Decision::Nothing, _) => return Ok(None),
            (Decision::Transparent, Some(transparent)) => (sandbox_paths::go_env(&transparent.go_env)?, false),
            (Decision::Cache | Decision::Transparent, _) => (String::new(), true),
        };
    let client = sandbox_paths::runnable(&settings.client)?;
    // The cache works without it, and only the setup hook starts it.
    let modproxy = if has_setup_hook { sandbox_paths::modproxy(&settings.modproxy) } else { None };
    let directory = register::register(&settings.control, &derivation, chroot.as_deref())?;
    Ok(Some(sandbox_paths::sandbox_paths(&directory, &client, &(go_env + &modproxy.unwrap_or_default()))?))
}

//! `cacheprogctl install` and `uninstall`, on a Linux with systemd that is not NixOS.
//!
//! destination.rs says where everything goes, plan.rs which steps that takes (pure, except that it looks at nix.conf and at units), steps.rs
//! carries them out, modproxy.rs has those of the module proxy's service, documents.rs those of man pages and completions, question.rs asks
//! about the cache, `next_step.rs` is what `install` tells at its end, error.rs is what fails. Both commands can be repeated: a step whose result is already there does nothing.

mod destination;
mod documents;
pub(crate) mod error;
mod modproxy;
mod next_step;
mod plan;
mod question;
mod steps;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::Path;

use settings::HttpAddress;

use self::destination::{Destination, check_programs};
use self::documents::{in_few_lines, plan_removal, plan_writing};
use self::next_step::{next_step, replaced};
use self::plan::{plan_install, plan_uninstall, without_settings};
use self::question::{Choice, ask_about_caches};
use self::steps::carry_out;
use crate::error::CommandError;
use crate::generate;
use crate::terminal::print;

/// For whom, and whether at all.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// For a single-user Nix: in this user's own configuration, under this user's own systemd.
    #[arg(long)]
    user: bool,
    /// The module proxy's service alone, which needs no Nix. Its settings are in modproxy.env.
    #[arg(long)]
    modproxy: bool,
}

/// What to install.
#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    common: Args,
    /// Serve metrics and the page at ADDRESS:PORT, such as 127.0.0.1:9417.
    ///
    /// It writes `http` into the daemon's settings, gives its unit that network, and starts it at boot. Settings that are there already
    /// are not changed: where they lack this address, it does nothing and prints the line to add. There is no password: choose an address
    /// that only those can reach who may read it.
    #[arg(long, value_name = "ADDRESS", value_parser = http, conflicts_with_all = ["user", "modproxy"])]
    http: Option<String>,
}

/// What to remove.
#[derive(Debug, clap::Args)]
pub(crate) struct UninstallArgs {
    #[command(flatten)]
    common: Args,
    /// Remove the cache too, without a question.
    #[arg(long, conflicts_with = "keep_cache")]
    yes: bool,
    /// Keep the cache, without a question.
    #[arg(long)]
    keep_cache: bool,
    /// Keep the settings that are yours to edit: nix-gocacheprog.toml, hook.toml, modproxy.env.
    #[arg(long)]
    keep_settings: bool,
}

/// Checks an address as the daemon does.
fn http(text: &str) -> Result<String, settings::ListenError> {
    text.parse().map(|_: HttpAddress| text.to_owned())
}

/// Installs everything.
///
/// # Errors
/// A [`CommandError`]. Steps that were done before it stay; the next run finds them done.
pub(crate) fn install(args: &InstallArgs, command: &clap::Command) -> Result<(), CommandError> {
    let InstallArgs { common: Args { dry_run, user, modproxy }, http } = args;
    let destination = Destination::find(*user, *dry_run)?;
    check_programs(&destination.programs, *user)?;
    if *modproxy {
        let done = carry_out(&modproxy::plan_install(&destination, &modproxy::upstreams())?, *dry_run)?;
        return print(&(done + &modproxy::next_step(&destination, *dry_run)));
    }
    let documents = generate::documents(command).map_err(CommandError::Output)?;
    let (writing, steps) = (plan_writing(&destination, documents), plan_install(&destination, http.as_deref())?);
    let replaced = replaced(&destination);
    let written = in_few_lines(&carry_out(&writing, *dry_run)?);
    let done = replaced + &written + &carry_out(&steps, *dry_run)?;
    let next = if *dry_run { String::new() } else { next_step(&destination, http.as_deref()) };
    print(&(done + &next))
}

/// Removes everything, and the cache if that is wanted.
///
/// # Errors
/// As [`install`].
pub(crate) fn uninstall(args: &UninstallArgs, command: &clap::Command) -> Result<(), CommandError> {
    let UninstallArgs { common: Args { dry_run, user, modproxy }, keep_cache, keep_settings, .. } = args;
    let destination = Destination::find(*user, *dry_run)?;
    let caches = caches(&destination, *modproxy);
    let removes_cache = removes_cache(args, &caches, ask_about_caches);
    // First: the settings of both are in one directory.
    let wanted = |steps| if *keep_settings { without_settings(&destination, steps) } else { steps };
    let mut done = carry_out(&wanted(modproxy::plan_uninstall(&destination, removes_cache)), *dry_run)?;
    if !*modproxy {
        let documents = generate::documents(command).map_err(CommandError::Output)?;
        done += &carry_out(&wanted(plan_uninstall(&destination, removes_cache)), *dry_run)?;
        done += &in_few_lines(&carry_out(&plan_removal(&destination, &documents), *dry_run)?);
    }
    // --keep-cache needs no answer.
    let kept = match (removes_cache || caches.is_empty() || *keep_cache, *dry_run) {
        (true, _) => String::new(),
        (false, true) => format!("it would ask whether to remove the cache in {caches}\n"),
        (false, false) => format!("the cache in {caches} is kept; the same with --yes removes it\n"),
    };
    print(&(done + &kept))
}

/// Whether the caches are removed: the options decide, else the answer to a question.
fn removes_cache(args: &UninstallArgs, caches: &str, ask: impl FnOnce(&str) -> Choice) -> bool {
    if args.keep_cache {
        return false;
    }
    // Where there is none, there is nothing to ask.
    args.yes || caches.is_empty() || (!args.common.dry_run && ask(caches) == Choice::Remove)
}

/// The caches that are there, as a text: of the daemon and of the module proxy, or of the module proxy alone.
fn caches(destination: &Destination, modproxy: bool) -> String {
    let of_daemon = if modproxy { &[] } else { destination.caches.as_slice() };
    let all = of_daemon.iter().chain(&destination.module_caches);
    let there: Vec<_> = all.filter(|path| is_there(path)).map(|path| path.display().to_string()).collect();
    there.join(" and ")
}

/// Whether something is there, or may be: a user cannot look into /var/cache/private. A link counts: it may lead to another disk.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().map_or_else(|e| e.kind() == ErrorKind::PermissionDenied, |_| true)
}

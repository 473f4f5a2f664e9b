//! `cacheprogctl install` and `uninstall`, on a Linux with systemd that is not NixOS.
//!
//! destination.rs says where everything goes, plan.rs which steps that takes (pure, except that it looks at nix.conf and at units), steps.rs
//! carries them out, documents.rs adds man pages and completions, error.rs is what fails. Both commands can be repeated: a step whose result
//! is already there does nothing.

mod destination;
mod documents;
pub(crate) mod error;
mod plan;
mod steps;
#[cfg(test)]
mod tests;

use self::destination::{Destination, check_programs};
use self::documents::{plan_removal, plan_writing};
use self::plan::{plan_install, plan_uninstall};
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
}

/// Installs everything.
///
/// # Errors
/// A [`CommandError`]. Steps that were done before it stay; the next run finds them done.
pub(crate) fn install(args: &Args, command: &clap::Command) -> Result<(), CommandError> {
    let destination = Destination::find(args.user, args.dry_run)?;
    check_programs(&destination.programs, args.user)?;
    let documents = generate::documents(command).map_err(CommandError::Output)?;
    let mut steps = plan_writing(&destination, documents);
    steps.extend(plan_install(&destination)?);
    let done = carry_out(&steps, args.dry_run)?;
    print(&(done + &next_step(&destination, args.dry_run)))
}

/// Removes everything, and the cache.
///
/// # Errors
/// As [`install`].
pub(crate) fn uninstall(args: &Args, command: &clap::Command) -> Result<(), CommandError> {
    let destination = Destination::find(args.user, args.dry_run)?;
    let documents = generate::documents(command).map_err(CommandError::Output)?;
    let mut steps = plan_uninstall(&destination);
    steps.extend(plan_removal(&destination, &documents));
    print(&carry_out(&steps, args.dry_run)?)
}

fn next_step(destination: &Destination, dry_run: bool) -> String {
    if dry_run {
        return String::new();
    }
    let start = if destination.has_systemd {
        ""
    } else {
        "systemd does not run here: start the daemon yourself (docs/how-to/install.md, \"Without systemd\")\n"
    };
    format!("{start}done: a Go package with nixGocacheprogHook in its nativeBuildInputs is built with the cache\n")
}

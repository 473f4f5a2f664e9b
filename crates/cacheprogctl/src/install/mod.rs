//! `cacheprogctl install` and `uninstall`, on a Linux with systemd that is not NixOS.
//!
//! destination.rs says where everything goes, plan.rs which steps that takes (pure, except that it looks at nix.conf and at units), steps.rs
//! carries them out, modproxy.rs has those of the module proxy's service, error.rs is what fails. Both commands can be repeated: a step whose result is already there does nothing.

mod destination;
pub(crate) mod error;
mod modproxy;
mod plan;
mod steps;
#[cfg(test)]
mod tests;

use self::destination::{Destination, check_programs};
use self::plan::{plan_install, plan_uninstall};
use self::steps::carry_out;
use crate::error::CommandError;
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

/// Installs everything.
///
/// # Errors
/// A [`CommandError`]. Steps that were done before it stay; the next run finds them done.
pub(crate) fn install(args: &Args) -> Result<(), CommandError> {
    let destination = Destination::find(args.user, args.dry_run)?;
    check_programs(&destination.programs, args.user)?;
    if args.modproxy {
        let done = carry_out(&modproxy::plan_install(&destination, &modproxy::upstreams())?, args.dry_run)?;
        return print(&(done + modproxy::next_step(args.dry_run)));
    }
    let done = carry_out(&plan_install(&destination)?, args.dry_run)?;
    print(&(done + &next_step(&destination, args.dry_run)))
}

/// Removes everything, and the cache.
///
/// # Errors
/// As [`install`].
pub(crate) fn uninstall(args: &Args) -> Result<(), CommandError> {
    let destination = Destination::find(args.user, args.dry_run)?;
    // First: the settings of both are in one directory.
    let mut steps = modproxy::plan_uninstall(&destination);
    if !args.modproxy {
        steps.extend(plan_uninstall(&destination));
    }
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

//! The command line: the commands, and which module carries each out.

use clap::{CommandFactory, Parser, Subcommand};

use crate::ask::{builds, status, top, why};
use crate::error::CommandError;
use crate::maintenance::{check, export, gc, purge, verify};
use crate::{doctor, generate, install, remote};

/// Shows what nix-gocacheprog's cache does, maintains its store, checks the machine, installs and uninstalls.
#[derive(Debug, Parser)]
#[command(name = "cacheprogctl", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what the running daemon has and does: size and limit, hit rates, time saved, live builds, storage failures.
    Status(status::Args),
    /// List the latest builds and what each got from the cache.
    Builds(builds::Args),
    /// Show why a build missed, compared with the nearest earlier build of its name.
    Why(why::Args),
    /// Show the live builds and their progress, every second.
    Top(top::Args),
    /// Check that this machine has what a cached build needs, with a fix for each problem. Fails if something is bad.
    Doctor(doctor::Args),
    /// Read every object and record of a store and report damage. Works with and without a running daemon.
    Verify(verify::Args),
    /// Bring a store within its limits now, and print what is removed and why. Works with and without a running daemon.
    Gc(gc::Args),
    /// Remove entries: those that a build put, those for one user alone, old ones, or all. Works with and without a running daemon.
    Purge(purge::Args),
    /// Write a layer of what is the same on each machine, to be read by `cacheprog-client --lower`.
    Export(export::Args),
    /// Run cacheprog-remote: status, gc, test, keygen, pull, push of a store that machines share.
    #[command(disable_help_flag = true)]
    Remote(remote::Args),
    /// Check a settings file.
    Check(check::Args),
    /// Install the units, the settings and the line in nix.conf, on a Linux with systemd that is not NixOS.
    Install(install::Args),
    /// Remove what `install` installed, and the cache.
    Uninstall(install::Args),
    /// Write completions and man pages into a directory.
    #[command(hide = true)]
    Generate(generate::Args),
}

impl Args {
    /// Carries the command out.
    ///
    /// # Errors
    /// A [`CommandError`], which knows its exit code.
    pub fn run(&self) -> Result<(), CommandError> {
        match &self.command {
            Command::Status(args) => status::run(args),
            Command::Builds(args) => builds::run(args),
            Command::Why(args) => why::run(args),
            Command::Top(args) => top::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Gc(args) => gc::run(args),
            Command::Purge(args) => purge::run(args),
            Command::Export(args) => export::run(args),
            Command::Remote(args) => remote::run(args),
            Command::Check(args) => check::run(args),
            Command::Install(args) => install::install(args, &Self::command()),
            Command::Uninstall(args) => install::uninstall(args, &Self::command()),
            Command::Generate(args) => generate::run(args, &Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_man_page_and_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        generate::write(dir.path(), &Args::command()).unwrap();
        let bash = std::fs::read_to_string(dir.path().join("cacheprogctl.bash")).unwrap();
        for command in Args::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            let page = std::fs::read_to_string(dir.path().join(format!("cacheprogctl-{name}.1"))).unwrap();
            assert!(page.contains(".SH DESCRIPTION"), "{name}");
            assert!(bash.contains(&format!("cacheprogctl,{name})")), "{name}");
            assert!(command.get_about().is_some(), "{name}");
        }
        assert!(dir.path().join("_cacheprogctl").exists() && dir.path().join("cacheprogctl.fish").exists());
    }
}

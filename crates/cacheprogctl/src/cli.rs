//! The command line: the commands, and which module carries each out. help.rs groups them by task.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::ask::{builds, status, top, why};
use crate::error::CommandError;
use crate::help;
use crate::maintenance::{check, export, gc, purge, verify};
use crate::{doctor, generate, install, remote, standalone};

/// Shows what nix-gocacheprog's cache does, maintains it, and installs it.
#[derive(Debug, Parser)]
#[command(name = "cacheprogctl", version, after_help = help::MORE, after_long_help = help::EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show size and limit, hit rates, time saved, live builds.
    ///
    /// It asks the running daemon, and needs no root. With --store it looks into a store of cacheprog-client, which needs no daemon: how
    /// much is in it, and what go commands got from it, by go command and by day.
    #[command(
        after_long_help = "Examples:\n  cacheprogctl status\n  cacheprogctl status --store\n  cacheprogctl status --json"
    )]
    Status(status::Args),
    /// List the latest builds and what each got.
    ///
    /// The last 100 builds are kept.
    #[command(after_long_help = "Examples:\n  cacheprogctl builds\n  cacheprogctl builds caddy -n 5")]
    Builds(builds::Args),
    /// Show why a build missed.
    ///
    /// It is compared with the nearest earlier build of its name. With --store: what the latest go commands missed in a store of
    /// cacheprog-client, by cause.
    #[command(
        after_long_help = "Examples:\n  cacheprogctl why caddy\n  cacheprogctl why caddy net/http\n  cacheprogctl why --store"
    )]
    Why(why::Args),
    /// Show the live builds, every second.
    #[command(after_long_help = "Examples:\n  cacheprogctl top\n  cacheprogctl top --once")]
    Top(top::Args),
    /// Check this machine, with a fix for each problem.
    ///
    /// It checks what a cached build needs, in that order, and fails if something is bad.
    #[command(after_long_help = "Examples:\n  cacheprogctl doctor\n  cacheprogctl doctor --json")]
    Doctor(doctor::Args),
    /// Read everything in a store and report damage.
    ///
    /// It works with and without a running daemon, and on a store of cacheprog-client (--store).
    #[command(after_long_help = "Examples:\n  cacheprogctl verify\n  cacheprogctl verify --store --repair")]
    Verify(verify::Args),
    /// Bring a store within its limits now.
    ///
    /// It prints what is removed and why. It works with and without a running daemon, and on a store of cacheprog-client (--store), which
    /// has the limits of cacheprog-client then.
    #[command(after_long_help = "Examples:\n  cacheprogctl gc --dry-run\n  cacheprogctl gc --store --max-size 2GiB")]
    Gc(gc::Args),
    /// Remove chosen entries, or all.
    ///
    /// Those that a build put, those for one user alone, old ones, or all. It works with and without a running daemon, and on a store of
    /// cacheprog-client (--store). `go clean -cache` removes nothing of either.
    #[command(
        after_long_help = "Examples:\n  cacheprogctl purge --written-by caddy --dry-run\n  cacheprogctl purge --all --yes --store"
    )]
    Purge(purge::Args),
    /// Write a layer for `cacheprog-client --lower`.
    ///
    /// It has what is the same on each machine.
    #[command(after_long_help = "Examples:\n  cacheprogctl export layer\n  cacheprogctl export layer --store")]
    Export(export::Args),
    /// Run cacheprog-remote, for a store that machines share.
    ///
    /// Its commands are status, gc, test, keygen, pull and push.
    #[command(
        disable_help_flag = true,
        after_long_help = "Examples:\n  cacheprogctl remote status\n  cacheprogctl remote test --write --url s3://bucket/go"
    )]
    Remote(remote::Args),
    /// Check a settings file of the daemon.
    #[command(after_long_help = "Examples:\n  cacheprogctl check /etc/nix-gocacheprog.toml")]
    Check(check::Args),
    /// Install it, on a Linux with systemd.
    ///
    /// It adds the units, the settings and the line in nix.conf. Not for NixOS, which has a module. It can be repeated.
    #[command(
        after_long_help = "Examples:\n  cacheprogctl install --dry-run\n  cacheprogctl install --http 127.0.0.1:9417\n  cacheprogctl install --user"
    )]
    Install(install::InstallArgs),
    /// Remove what `install` installed.
    ///
    /// It asks before it removes the cache. Where it cannot ask, it keeps the cache unless --yes is there.
    #[command(after_long_help = "Examples:\n  cacheprogctl uninstall --dry-run\n  cacheprogctl uninstall --keep-cache")]
    Uninstall(install::UninstallArgs),
    /// Write completions and man pages into a directory.
    #[command(hide = true)]
    Generate(generate::Args),
}

impl Args {
    /// Reads the command line. Ends the process where it is wrong, or asks for help.
    #[must_use]
    pub fn read() -> Self {
        let matches = help::by_task(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|e| e.exit())
    }

    /// Carries the command out.
    ///
    /// # Errors
    /// A [`CommandError`], which knows its exit code.
    pub fn run(&self) -> Result<(), CommandError> {
        match &self.command {
            Command::Status(args) => match args.own.dir()? {
                Some(dir) => standalone::status::run(&dir, args.json),
                None => status::run(args),
            },
            Command::Why(args) => match args.own.dir()? {
                Some(dir) => standalone::why::run(&dir, args.json),
                None => why::run(args),
            },
            Command::Builds(args) => builds::run(args),
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
        help::by_task(Args::command()).debug_assert();
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

    #[test]
    fn help_names_each_command_under_one_task_in_a_line_of_80_columns() {
        let short = help::by_task(Args::command()).render_help().to_string();
        for command in Args::command().get_subcommands() {
            let begins = format!("  {} ", command.get_name());
            let lines = short.lines().filter(|line| line.starts_with(&begins)).count();
            assert_eq!(lines, usize::from(!command.is_hide_set()), "{}: {short}", command.get_name());
        }
        assert!(short.lines().all(|line| line.chars().count() <= 80), "{short}");
        let long = help::by_task(Args::command()).render_long_help().to_string();
        assert!(long.contains("Examples:") && !short.contains("Examples:"), "{long}");
    }

    #[test]
    fn a_store_without_a_directory_is_the_users_own_and_needs_no_build() {
        for line in
            ["why --store", "status --store /x", "gc --store --dry-run", "verify --store", "purge --store --all"]
        {
            assert!(Args::try_parse_from(["cacheprogctl"].into_iter().chain(line.split(' '))).is_ok(), "{line}");
        }
        assert!(Args::try_parse_from(["cacheprogctl", "why"]).is_err());
    }
}

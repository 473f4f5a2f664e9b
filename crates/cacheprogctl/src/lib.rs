//! The command line of people: it asks a running daemon, works on a store with or without a daemon, looks for what is wrong with a
//! machine, and installs.
//!
//! cli.rs lists the commands, help.rs by task. ask/ asks the daemon: status, builds, why, top. maintenance/ works on a store: gc, verify, purge, and check
//! for a settings file. standalone/ shows what a store of cacheprog-client knows without a daemon. doctor/ checks a machine. install/ installs and uninstalls on a Linux with systemd that is not NixOS.
//! remote.rs runs cacheprog-remote. terminal/ is how output looks. generate.rs writes completions and man pages. `nix_conf.rs` reads
//! nix.conf, `user_dirs.rs` finds a user's own daemon. error.rs is what ends a command; clock.rs is the only clock.
//!
//! The rule to keep: nothing here serves a build. The daemon is cacheprogd, and neither program uses the other's crate.

pub mod cli;
pub mod error;

mod ask;
mod clock;
mod doctor;
mod generate;
mod help;
mod install;
mod maintenance;
mod nix_conf;
mod remote;
mod standalone;
mod terminal;
mod user_dirs;

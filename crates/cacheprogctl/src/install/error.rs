//! Why an installation does not begin, or ends early.

use std::path::PathBuf;

/// Why nothing, or not all, was installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// NixOS has a module for it.
    #[error("this is NixOS: import nixos/module.nix and set `services.nix-gocacheprog.enable = true` instead")]
    IsNixos,
    /// Only root may change the system.
    #[error("this changes the system: run it as root, or with --user for a single-user Nix")]
    NotRoot,
    /// A single-user Nix belongs to a user.
    #[error("--user needs {0}: run it in a session of that user")]
    NoSession(&'static str),
    /// The programs are not in a directory where they can stay.
    #[error(
        "{why}; copy cacheprogd, cacheprogctl, cacheprog-client, prebuild-hook, modproxy and cacheprog-remote to one directory, such as \
         /usr/local/libexec/nix-gocacheprog, and run cacheprogctl from there"
    )]
    Programs {
        /// What is wrong.
        why: String,
    },
    /// Nix has another hook.
    #[error(
        "{} has `{line}`: Nix runs one hook only. Remove that line, run this again, and write \
         `chain = [\"{program}\"]` into {}",
        path.display(), settings.display()
    )]
    OtherHook {
        /// Nix's settings.
        path: PathBuf,
        /// The line.
        line: String,
        /// The other hook.
        program: String,
        /// The hook's settings, which name the chain.
        settings: PathBuf,
    },
    /// The daemon's settings are there, and are not changed.
    #[error("{} is there already and is yours: write `{line}` into it above the first [section], and run this again", path.display())]
    HasSettings {
        /// The daemon's settings.
        path: PathBuf,
        /// The line.
        line: String,
    },
    /// A step failed.
    #[error("{what} {}", path.display())]
    Step {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// systemctl, or the command for a group, failed.
    #[error("`{command}` failed: {status}")]
    Command {
        /// The command.
        command: String,
        /// Its exit status.
        status: String,
    },
}

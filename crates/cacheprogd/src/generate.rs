//! `cacheprogd generate`: completions and man pages, for whoever makes a package.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};

use crate::cli::Args;
use crate::error::CommandError;

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Generate {
    /// A directory, made where it is missing.
    dir: PathBuf,
}

/// Writes them.
///
/// # Errors
/// Where they cannot be written.
pub(crate) fn run(args: &Generate) -> Result<(), CommandError> {
    write(&args.dir).map_err(CommandError::Output)
}

fn write(dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Args::command(), "cacheprogd", dir)?;
    }
    clap_mangen::generate_to(Args::command(), dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_man_page_and_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let bash = fs::read_to_string(dir.path().join("cacheprogd.bash")).unwrap();
        for command in Args::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            let page = fs::read_to_string(dir.path().join(format!("cacheprogd-{name}.1"))).unwrap();
            assert!(page.contains(".SH DESCRIPTION"), "{name}");
            assert!(bash.contains(&format!("cacheprogd,{name})")), "{name}");
            assert!(command.get_about().is_some(), "{name}");
        }
        assert!(dir.path().join("_cacheprogd").exists() && dir.path().join("cacheprogd.fish").exists());
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}

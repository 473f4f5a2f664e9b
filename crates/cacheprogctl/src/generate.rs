//! `cacheprogctl generate`: writes completions and man pages, for those who make a package. `install` writes the same ones.
//!
//! The pages of cacheprogctl come from its command line; man/cacheprogctl.md adds what a command line does not have. Those of the other
//! programs and of the settings are in man/, too.

mod man_page;

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::error::CommandError;

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A directory. It is made where it is missing.
    dir: PathBuf,
}

/// A man page, or completions for a shell.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its name in the directory of `generate`.
    pub(crate) name: String,
    /// Its place below a directory such as /usr/local/share.
    pub(crate) place: PathBuf,
    pub(crate) text: String,
}

/// Names and places of completions.
const COMPLETIONS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "cacheprogctl.bash", "bash-completion/completions/cacheprogctl"),
    (Shell::Zsh, "_cacheprogctl", "zsh/site-functions/_cacheprogctl"),
    (Shell::Fish, "cacheprogctl.fish", "fish/vendor_completions.d/cacheprogctl.fish"),
];

/// The pages that come from no command line, by their names.
const PAGES: [(&str, &str); 7] = [
    ("cacheprogd.8", include_str!("../man/cacheprogd.md")),
    ("cacheprog-client.1", include_str!("../man/cacheprog-client.md")),
    ("cacheprog-remote.1", include_str!("../man/cacheprog-remote.md")),
    ("modproxy.1", include_str!("../man/modproxy.md")),
    ("prebuild-hook.8", include_str!("../man/prebuild-hook.md")),
    ("nix-gocacheprog.toml.5", include_str!("../man/nix-gocacheprog.toml.md")),
    ("nix-gocacheprog-hook.toml.5", include_str!("../man/nix-gocacheprog-hook.toml.md")),
];

/// The page of cacheprogctl, and the sections that are added to it.
const MAIN_PAGE: (&str, &str) = ("cacheprogctl.1", include_str!("../man/cacheprogctl.md"));

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Writes them for a command line.
///
/// # Errors
/// Where they cannot be written.
pub(crate) fn run(args: &Args, command: &Command) -> Result<(), CommandError> {
    write(&args.dir, command).map_err(CommandError::Output)
}

pub(crate) fn write(dir: &Path, command: &Command) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    documents(command)?.iter().try_for_each(|document| fs::write(dir.join(&document.name), &document.text))
}

/// Completions and man pages for a command line.
///
/// # Errors
/// None is known: nothing is written here.
pub(crate) fn documents(command: &Command) -> io::Result<Vec<Document>> {
    let mut all = Vec::new();
    for (shell, name, place) in COMPLETIONS {
        let mut text: Vec<u8> = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), "cacheprogctl", &mut text);
        all.push(Document { name: name.to_owned(), place: place.into(), text: utf8(text)? });
    }
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    pages_of_command(&command, &mut pages)?;
    pages.extend(PAGES.iter().map(|(name, text)| ((*name).to_owned(), man_page::page(text, VERSION))));
    all.extend(pages.into_iter().map(|(name, text)| Document { place: place_of_page(&name), name, text }));
    Ok(all)
}

/// The pages of a command and of what is below it, with their names.
fn pages_of_command(command: &Command, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages_of_command(below, pages)?;
    }
    let page = Man::new(command.clone()).source(format!("nix-gocacheprog {VERSION}")).manual("nix-gocacheprog");
    let mut text: Vec<u8> = Vec::new();
    page.render(&mut text)?;
    let name = page.get_filename();
    let (main, sections) = MAIN_PAGE;
    let added = if name == main { man_page::sections(sections) } else { String::new() };
    pages.push((name, utf8(text)? + &added));
    Ok(())
}

/// `man/man8/NAME.8`.
fn place_of_page(name: &str) -> PathBuf {
    let section = name.rsplit('.').next().unwrap_or_default();
    Path::new("man").join(format!("man{section}")).join(name)
}

fn utf8(text: Vec<u8>) -> io::Result<String> {
    String::from_utf8(text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_the_sections_that_its_readers_look_for() {
        let command = Command::new("cacheprogctl").about("x").subcommand(Command::new("status").about("y"));
        let documents = documents(&command).unwrap();
        let pages: Vec<_> = documents.iter().filter(|document| document.place.starts_with("man")).collect();
        assert_eq!(pages.len(), PAGES.len() + 2);
        for Document { name, place, text } in pages {
            let of_program = ["SYNOPSIS", "EXIT STATUS", "ENVIRONMENT"];
            let wanted = ["NAME", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"].into_iter();
            let wanted = wanted.chain(of_program.into_iter().filter(|_| !name.ends_with(".5")));
            for section in wanted.filter(|_| name != "cacheprogctl-status.1") {
                assert!(text.lines().any(|line| line == format!(".SH {section}")), "{name} has no {section}");
            }
            assert!(text.contains(&format!("\"nix-gocacheprog {VERSION}\"")), "{name}: {text}");
            assert!(!text.contains("include docs"), "{name} takes a section that is not there");
            assert!(place.ends_with(name) && place.starts_with(format!("man/man{}", &name[name.len() - 1..])));
        }
    }
}

//! `cacheprogctl why --store`: what the latest go commands missed in a store of `cacheprog-client`, by cause. The client knows its
//! store and its conditions, and no earlier build: it cannot name the package that changed.

use std::path::{Path, PathBuf};

use proto::figures::seconds;
use serde::Serialize;
use settings::StateDir;
use store::{GoCommand, GoCommands, GoFigures, Mode};

use super::figures::{COLUMNS, row};
use crate::clock;
use crate::error::CommandError;
use crate::terminal::{Style, Table, print, print_json, stdout_style};

/// The answer, as JSON has it.
#[derive(Debug, Serialize)]
struct Answer {
    store: PathBuf,
    /// The latest first.
    go_commands: Vec<GoCommand>,
}

/// A cause, the misses that have it, and what it means.
type Cause = (&'static str, fn(&GoFigures) -> u64, &'static str);

const CAUSES: [Cause; 6] = [
    (
        "new",
        |f| f.new,
        "the store has nothing of it: other source, flags or toolchain, or evicted, or another directory without -trimpath",
    ),
    (
        "mtime-keyed",
        |f| f.mtime_keyed,
        "an index of sources, which Go keys by their times: a new checkout has new ones",
    ),
    ("other condition", |f| f.condition, "it is there, made with other C files, variables, programs or flags"),
    ("private", |f| f.private, "another GOCACHE keeps it for itself"),
    ("lost", |f| f.lost, "its file is damaged or gone"),
    ("never put", |f| f.never_put, "a program is linked again, and what fails is not kept; no miss in other figures"),
];

/// Reads and prints.
///
/// # Errors
/// Where there is no store.
pub(crate) fn run(dir: &Path, json: bool) -> Result<(), CommandError> {
    let store = StateDir { state_dir: dir.to_owned() }.open(Mode::DryRun)?;
    let go_commands: Vec<_> = GoCommands::read(store.root()).latest.into_iter().rev().collect();
    let answer = Answer { store: dir.to_owned(), go_commands };
    if json { print_json(&answer) } else { print(&text(&answer.go_commands, clock::unix_now(), stdout_style())) }
}

fn text(latest: &[GoCommand], now: u64, style: Style) -> String {
    if latest.is_empty() {
        return "no go command has noted what it missed here\n".to_owned();
    }
    let mut table = Table::new(&[&["when", "go command"], &COLUMNS[..], &["missed", "directory"]].concat());
    let mut sum = GoFigures::default();
    for GoCommand { ended, command, directory, figures } in latest {
        sum.add(figures);
        let when = format!("{} ago", seconds(now.saturating_sub(*ended)));
        table.row([when, command.clone()].into_iter().chain(row(figures)).chain([missed(figures), directory.clone()]));
    }
    let mut causes = Table::new(&["cause", "misses", "what it means"]);
    found(&sum).for_each(|(name, misses, means)| causes.row([name.to_owned(), misses.to_string(), means.to_owned()]));
    format!("{}\nwhat these go commands missed, together:\n{}", table.text(style), causes.text(style))
}

/// The causes that there are, the misses of each, and what it means.
fn found(figures: &GoFigures) -> impl Iterator<Item = (&'static str, u64, &'static str)> + '_ {
    CAUSES.iter().map(|(name, of, means)| (*name, of(figures), *means)).filter(|(_, misses, _)| *misses > 0)
}

/// The causes of one go command, in a cell.
fn missed(figures: &GoFigures) -> String {
    let causes: Vec<_> = found(figures).map(|(name, misses, _)| format!("{misses} {name}")).collect();
    if causes.is_empty() { "nothing".to_owned() } else { causes.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_go_commands_are_listed_with_the_causes_of_their_misses() {
        let one = |command: &str, figures| GoCommand {
            ended: 940,
            command: command.to_owned(),
            directory: "/src".to_owned(),
            figures,
        };
        let cold = GoFigures { new: 7, condition: 2, never_put: 1, ..GoFigures::default() };
        let warm = GoFigures { hits: 9, new: 1, ..GoFigures::default() };
        let shown = text(&[one("test", warm), one("build", cold)], 1000, Style::default());
        let lines: Vec<_> = shown.lines().collect();
        assert!(
            lines[1].starts_with("1 min 0 s ago\ttest\t0\t0\t9\t1\t90 %\t") && lines[1].ends_with("\t1 new\t/src"),
            "{shown}"
        );
        assert!(lines[2].starts_with("1 min 0 s ago\tbuild\t0\t0\t0\t9\t0 %\t"), "{shown}");
        assert!(lines[2].ends_with("\t7 new, 2 other condition, 1 never put\t/src"), "{shown}");
        assert_eq!(missed(&GoFigures { hits: 3, ..GoFigures::default() }), "nothing");
        let causes: Vec<_> = lines[6..].iter().map(|line| line.rsplit_once('\t').unwrap().0).collect();
        assert_eq!(causes, ["new\t8", "other condition\t2", "never put\t1"]);
        assert!(text(&[], 0, Style::default()).starts_with("no go command"));
    }
}

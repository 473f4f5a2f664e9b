//! `cacheprogctl status --store`: how much is in a store of `cacheprog-client`, and what go commands got from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto::figures::{bytes, number};
use serde::Serialize;
use settings::{StateDir, own_dir, own_limits};
use store::{Disk, GoCommands, GoFigures, GoSum, Mode, Totals};

use super::access;
use super::figures::{COLUMNS, date, row};
use crate::clock;
use crate::error::CommandError;
use crate::terminal::{Style, Table, Tone, print, print_json, stdout_style};

/// Days that are listed one by one.
const DAYS: usize = 7;

/// The answer, as JSON has it.
#[derive(Debug, Serialize)]
struct Answer {
    store: PathBuf,
    #[serde(flatten)]
    totals: Totals,
    max_bytes: Option<u64>,
    free_bytes: Option<u64>,
    /// What keeps cacheprog-client from using it, and the fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// By day and go command.
    days: Vec<GoSum>,
}

/// Looks and prints. Nothing is changed: a store that this user may only read is read.
///
/// # Errors
/// Where there is no store, it cannot be read, or the variable has no size.
pub(crate) fn run(dir: &Path, json: bool) -> Result<(), CommandError> {
    let store = StateDir { state_dir: dir.to_owned() }.open(Mode::DryRun)?;
    let (disk, limits) = (Disk::of(store.root()).ok(), own_limits()?);
    let problem = access::problem(dir);
    let totals = match (store.evictor().count(), &problem) {
        (Err(_), Some(problem)) => return Err(CommandError::Unusable(problem.clone())),
        (totals, _) => totals?,
    };
    let answer = Answer {
        totals,
        problem,
        max_bytes: disk.and_then(|disk| limits.max_size(disk)),
        free_bytes: disk.map(|disk| disk.free),
        days: GoCommands::read(store.root()).sums_until(clock::unix_now()),
        store: dir.to_owned(),
    };
    if json { print_json(&answer) } else { print(&text(&answer, own_dir().as_deref() == Some(dir), stdout_style())) }
}

fn text(answer: &Answer, is_own: bool, style: Style) -> String {
    let Answer { store, totals, max_bytes, free_bytes, problem, days } = answer;
    let most = max_bytes.map_or(String::new(), |most| format!(" of at most {}", bytes(most)));
    let free = free_bytes.map_or(String::new(), |free| format!("{} free on the disk\n", bytes(free)));
    let mut out = format!(
        "{}: {} entries, {} objects, {}{most}\n{free}",
        store.display(),
        number(totals.entries),
        number(totals.objects),
        bytes(totals.bytes)
    );
    out.extend(problem.iter().map(|problem| style.paint(Tone::Warn, problem) + "\n"));
    let named = if is_own { String::new() } else { format!(" {}", store.display()) };
    out += "`go clean -cache` clears GOCACHE and not this store; ";
    out += &format!("`cacheprogctl purge --all --yes --store{named}` clears it\n\n");
    if days.is_empty() {
        return out + "no go command has noted what it got here\n";
    }
    out + &by_command(days).text(style) + "\n" + &by_day(days).text(style)
}

/// Sums of all days, by go command, and of all.
fn by_command(days: &[GoSum]) -> Table {
    let mut table = head("in 30 days");
    sums(days, |sum| sum.command.clone()).into_iter().for_each(|(name, sum)| add(&mut table, name, &sum));
    let all = sums(days, |_| "all".to_owned());
    all.into_iter().for_each(|(name, sum)| add(&mut table, name, &sum));
    table
}

/// Sums of all go commands, by day, the latest first.
fn by_day(days: &[GoSum]) -> Table {
    let mut table = head("day (UTC)");
    let by_day = sums(days, |sum| sum.day);
    by_day.into_iter().rev().take(DAYS).for_each(|(day, sum)| add(&mut table, date(day), &sum));
    table
}

fn sums<K: Ord>(days: &[GoSum], key: impl Fn(&GoSum) -> K) -> BTreeMap<K, GoFigures> {
    let mut sums: BTreeMap<K, GoFigures> = BTreeMap::new();
    days.iter().for_each(|sum| sums.entry(key(sum)).or_default().add(&sum.figures));
    sums
}

fn head(first: &str) -> Table {
    Table::new(&[&[first, "go commands"], &COLUMNS[..]].concat())
}

fn add(table: &mut Table, name: String, sum: &GoFigures) {
    table.row([name, sum.commands.to_string()].into_iter().chain(row(sum)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_sums_by_go_command_and_by_day() {
        let sum = |day, command: &str, hits| {
            let figures = GoFigures { commands: 1, hits, new: 2, ..GoFigures::default() };
            GoSum { day, command: command.to_owned(), figures }
        };
        let mut answer = Answer {
            store: "/s".into(),
            totals: Totals { entries: 1234, objects: 5, bytes: 4096 },
            max_bytes: Some(8192),
            free_bytes: Some(1 << 30),
            problem: None,
            days: vec![sum(20_783, "test", 2), sum(20_784, "build", 6), sum(20_784, "test", 4)],
        };
        let shown = text(&answer, false, Style::default());
        assert!(shown.starts_with("/s: 1,234 entries, 5 objects, 4.0 KiB of at most 8.0 KiB\n1.0 GiB free"), "{shown}");
        let rows: Vec<Vec<_>> = shown.lines().map(|line| line.split('\t').take(7).collect()).collect();
        for row in [
            ["build", "1", "0", "0", "6", "2", "75 %"],
            ["test", "2", "0", "0", "6", "4", "60 %"],
            ["all", "3", "0", "0", "12", "6", "66 %"],
            ["2026-11-27", "2", "0", "0", "10", "4", "71 %"],
            ["2026-11-26", "1", "0", "0", "2", "2", "50 %"],
        ] {
            assert!(rows.contains(&row.to_vec()), "{row:?}: {shown}");
        }
        assert!(
            shown.contains("`go clean -cache` clears GOCACHE") && shown.contains(" --store /s` clears it"),
            "{shown}"
        );
        assert!(text(&answer, true, Style::default()).contains(" --store` clears it"));
        answer.problem = Some("/s/objects belongs to uid 0".to_owned());
        assert!(text(&answer, false, Style::default()).contains("on the disk\n/s/objects belongs to uid 0\n`go clean"));
        answer.days.clear();
        assert!(text(&answer, false, Style::default()).ends_with("no go command has noted what it got here\n"));
    }
}

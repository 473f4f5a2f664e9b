//! The tests that docs/explanation/security.md and faults.md name: each is there, and each row of its tables names one. A test is named as
//! `crate: name`, an expectation of a case (or of a part of it, in lib/) as `case.sh: its text`, a whole case as `case.sh`.

use crate::source::{files, with_ending};
use std::collections::BTreeSet;

#[test]
fn each_row_of_the_two_pages_names_a_test_that_is_there() {
    let pages = [page(), &with_ending("docs/explanation/faults.md").next().unwrap().text];
    let mut wrong: Vec<_> = pages.into_iter().flat_map(quoted).filter(|name| is_missing(name)).collect();
    let all = || pages.into_iter().flat_map(rows);
    wrong.extend(all().filter(|row| !quoted(row).any(|name| names_test(&name))).map(str::to_owned));
    assert!(wrong.is_empty(), "tests that are not there, and rows without one: {wrong:#?}");
    let mut seen: Vec<_> = rows(page()).map(tried).collect();
    seen.sort_unstable();
    let twice: Vec<_> = seen.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(twice.is_empty(), "tried twice: {twice:#?}");
}

/// The sign of a row whose test `integration/guards-removed` runs without the guard.
const WITHOUT_GUARD: char = '†';

#[test]
fn rows_with_the_sign_are_those_that_are_run_without_their_guard() {
    let script = &files().iter().find(|file| file.name == "integration/guards-removed").unwrap().text;
    let last_line = |line: &str| {
        let (name, test) = line.strip_prefix("    ")?.split_once(' ')?;
        (test.starts_with("it::") || test.starts_with("lib::"))
            .then(|| format!("{name}: {}", test.rsplit("::").next().unwrap_or(test)))
    };
    let run: BTreeSet<_> = script.lines().filter_map(last_line).collect();
    let signed = rows(page()).filter(|row| row.contains(WITHOUT_GUARD));
    assert_eq!(signed.filter_map(|row| quoted(row).find(|name| names_test(name))).collect::<BTreeSet<_>>(), run);
}

fn page() -> &'static str {
    &with_ending("docs/explanation/security.md").next().unwrap().text
}

/// The rows of the tables whose third column is `test`, without their heads.
fn rows(page: &str) -> impl Iterator<Item = &str> {
    let mut is_of_tests = false;
    page.lines().filter(move |line| {
        let is_head = line.split('|').nth(3).is_some_and(|cell| cell.trim() == "test");
        is_of_tests = is_head || (is_of_tests && line.starts_with('|'));
        is_of_tests && !is_head && !line.starts_with("|-")
    })
}

/// The first cell.
fn tried(row: &str) -> &str {
    row.split('|').nth(1).unwrap_or_default().trim()
}

/// What stands in backquotes, on one line or over two.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(|quote| quote.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is_missing(name: &str) -> bool {
    let is_of_crate = name.split_once(": ").is_some_and(|(place, _)| !in_crate(place).is_empty());
    (is_of_crate || name.contains(".sh")) && !names_test(name)
}

fn names_test(name: &str) -> bool {
    let (place, text) = name.split_once(": ").unwrap_or((name, ""));
    if place.ends_with(".sh") {
        let is_it = |name: &str| ["cases", "lib"].iter().any(|dir| name == format!("integration/{dir}/{place}"));
        return files().iter().any(|file| is_it(&file.name) && file.text.contains(text));
    }
    in_crate(place).iter().any(|source| has_test(source, text))
}

/// Whether a source has a function of this name under `#[test]`, other attributes between.
fn has_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let above = before.lines().rev().map(str::trim).skip_while(|line| line.is_empty());
    above.take_while(|line| line.starts_with('#')).any(|line| line == "#[test]")
}

/// The sources of a crate.
fn in_crate(name: &str) -> Vec<&'static str> {
    let dir = if name == "matrix" { "integration/matrix/".to_owned() } else { format!("crates/{name}/") };
    with_ending(".rs").filter(|file| file.name.starts_with(&dir)).map(|file| file.text.as_str()).collect()
}

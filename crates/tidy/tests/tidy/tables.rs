//! Tables in the documentation are for short facts: a cell that does not fit into a line is an argument, and stands below in prose.

use crate::source::with_ending;

/// Characters of a cell, its links' targets left out.
const LONGEST_CELL: usize = 160;

#[test]
fn cells_of_tables_are_short() {
    let mut long = Vec::new();
    for file in with_ending(".md") {
        for (number, line) in file.text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
            let cells = line.split('|').map(|cell| without_targets(cell.trim()).chars().count());
            if let Some(longest) = cells.max().filter(|length| *length > LONGEST_CELL) {
                long.push(format!("{}:{}: {longest} characters", file.name, number + 1));
            }
        }
    }
    assert!(long.is_empty(), "cells over {LONGEST_CELL} characters, move the argument below the table: {long:#?}");
}

/// `[text](target)` as `[text]`.
fn without_targets(cell: &str) -> String {
    let mut parts = cell.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "]" + part.split_once(')').map_or("", |(_, rest)| rest))
}

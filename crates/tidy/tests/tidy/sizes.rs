//! How long files and functions are. clippy.toml bounds each function; here are the bound of a file, and the medians.

use crate::source::{File, files, with_ending};

/// Lines of a file, its tests included: a longer one has a second noun in it.
const LONGEST_FILE: usize = 389;

/// Lines of the middle one of all Rust files, without the unit tests at their ends.
const MEDIAN_FILE: usize = 115;

/// Lines of the middle one of all Rust functions, tests included.
const MEDIAN_FUNCTION: usize = 8;

#[test]
fn files_are_short() {
    let is_long = |file: &&File| file.is_code() && file.text.lines().count() > LONGEST_FILE;
    let long: Vec<_> = files()
        .iter()
        .filter(is_long)
        .map(|file| format!("{}: {} lines", file.name, file.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over {LONGEST_FILE} lines, cut them at their second noun: {long:#?}");
}

#[test]
fn the_middle_file_and_the_middle_function_are_short() {
    let without_tests = |file: &File| file.text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let file = median(with_ending(".rs").map(without_tests).collect());
    let function = median(with_ending(".rs").flat_map(|file| functions(&file.text)).collect());
    println!("median of files {file} lines, of functions {function} lines");
    assert!(file <= MEDIAN_FILE, "the median file has {file} lines, at most {MEDIAN_FILE} are wanted");
    assert!(
        function <= MEDIAN_FUNCTION,
        "the median function has {function} lines, at most {MEDIAN_FUNCTION} are wanted"
    );
}

fn median(mut lengths: Vec<usize>) -> usize {
    lengths.sort_unstable();
    lengths[lengths.len() / 2]
}

/// The lengths of the functions in a text that rustfmt wrote: from the line with `fn` to the next `}` of the same indentation.
fn functions(text: &str) -> Vec<usize> {
    let lines: Vec<_> = text.lines().collect();
    (0..lines.len()).filter(|&at| begins_function(lines[at])).filter_map(|at| length(&lines[at..])).collect()
}

fn begins_function(line: &str) -> bool {
    let before = line.trim_start().split("fn ").next().unwrap_or_default();
    let is_modifier =
        |word: &str| ["pub", "const", "async", "unsafe", "extern"].contains(&word) || word.starts_with("pub(");
    line.contains("fn ") && before.split_whitespace().all(is_modifier)
}

/// The number of lines of the function that the first line begins; none for a declaration without a body.
fn length(lines: &[&str]) -> Option<usize> {
    let indentation = &lines[0][..lines[0].len() - lines[0].trim_start().len()];
    if lines[0].ends_with('}') {
        return Some(1);
    }
    let ends =
        |line: &&str| line.strip_prefix(indentation).is_some_and(|rest| rest == "}" || is_end_of_declaration(rest));
    let at = lines.iter().position(ends)?;
    (lines[at].ends_with('}')).then_some(at + 1)
}

fn is_end_of_declaration(rest: &str) -> bool {
    !rest.starts_with(' ') && rest.ends_with(';')
}

#[test]
fn lengths_are_those_of_a_reader() {
    let text = "fn a() {}\n\npub(crate) fn b(\n    x: u8,\n) -> u8 {\n    x\n}\ntrait T {\n    fn c(&self);\n    fn d(&self) {\n    }\n}\n";
    assert_eq!(functions(text), [1, 5, 2]);
}

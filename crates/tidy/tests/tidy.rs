//! The project's own rules, as far as neither rustc nor clippy checks them.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a file, its tests included: a longer one has a second noun in it.
const LONGEST: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files() -> Vec<(String, String)> {
    let listed =
        Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output().unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    let read = |name: &str| std::fs::read_to_string(root().join(name)).ok().map(|text| (name.to_owned(), text));
    let files: Vec<_> = names.lines().filter_map(read).collect();
    assert!(files.len() > 50, "git ls-files found {}", files.len());
    files
}

fn is_code(name: &str, text: &str) -> bool {
    let ending = [".rs", ".nix", ".sh", ".go"].iter().any(|ending| name.ends_with(ending));
    ending || text.starts_with("#!")
}

#[test]
fn files_are_short() {
    let long: Vec<_> = files()
        .into_iter()
        .filter(|(name, text)| is_code(name, text) && text.lines().count() > LONGEST)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over {LONGEST} lines: {long:#?}");
}

#[test]
fn files_say_what_they_own() {
    let says = |name: &str, text: &str| match name.rsplit('.').next() {
        Some("rs") => text.starts_with("//") || name.contains("/tests/it/"), // told of in main.rs there
        Some("nix" | "sh") => text.starts_with('#'),
        _ => true,
    };
    let silent: Vec<_> = files().into_iter().filter(|(name, text)| !says(name, text)).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "without a comment at their head: {silent:#?}");
}

#[test]
fn nothing_is_left_for_later_without_an_issue() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X"];
    let left: Vec<_> = files()
        .into_iter()
        .filter(|(name, text)| is_code(name, text) && marks.iter().any(|mark| text.contains(mark)))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with("integration/")) // mktemp's templates
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

/// docs/explanation/architecture.md draws the crates as lines `crate -> crate, crate`; cargo says what is so.
#[test]
fn the_drawn_dependencies_are_the_real_ones() {
    let docs = std::fs::read_to_string(root().join("docs/explanation/architecture.md")).unwrap();
    let drawn: BTreeMap<String, BTreeSet<String>> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(" -> "))
        .map(|(from, to)| (from.trim().to_owned(), to.split(", ").map(|name| name.trim().to_owned()).collect()))
        .collect();
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<_> = packages.iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect();
    let mut real = BTreeMap::new();
    for package in packages {
        let inside = |dependency: &serde_json::Value| {
            let name = dependency["name"].as_str().unwrap().to_owned();
            (dependency["kind"].is_null() && names.contains(&name)).then_some(name)
        };
        let on: BTreeSet<_> = package["dependencies"].as_array().unwrap().iter().filter_map(inside).collect();
        if !on.is_empty() {
            real.insert(package["name"].as_str().unwrap().to_owned(), on);
        }
    }
    assert_eq!(drawn, real, "docs/explanation/architecture.md says the left, Cargo.toml the right");
}

#[test]
fn unsafe_is_in_one_file() {
    let word = "unsafe".to_owned() + " {";
    let with: Vec<_> = files().into_iter().filter(|(_, text)| text.contains(&word)).map(|(name, _)| name).collect();
    assert_eq!(with, ["crates/cacheprogd/src/fds.rs"]);
}

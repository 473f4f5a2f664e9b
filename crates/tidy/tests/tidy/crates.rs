//! The arrows between crates: docs/explanation/architecture.md draws them as lines `crate -> crate, crate`; cargo has the truth.

use crate::source::root;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// From a name to the names that it uses.
pub(crate) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The lines `    from -> to, to` of the page. A name with a slash is a folder, one without a crate.
pub(crate) fn drawn(is_wanted: impl Fn(&str) -> bool) -> Arrows {
    let page = std::fs::read_to_string(root().join("docs/explanation/architecture.md")).unwrap();
    page.lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(" -> "))
        .filter(|(from, _)| is_wanted(from))
        .map(|(from, to)| (from.trim().to_owned(), to.split(", ").map(|name| name.trim().to_owned()).collect()))
        .collect()
}

#[test]
fn the_drawn_arrows_between_crates_are_the_real_ones() {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<_> = packages.iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect();
    let mut real = Arrows::new();
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
    let drawn = drawn(|name| !name.contains('/'));
    assert_eq!(drawn, real, "docs/explanation/architecture.md draws the left, Cargo.toml says the right");
}

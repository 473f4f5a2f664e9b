//! The arrows between crates: docs/explanation/architecture.md draws them as lines `crate -> crate, crate`; cargo has the truth.

use crate::arrows::{Arrows, drawn};
use crate::source::root;
use std::collections::BTreeSet;
use std::process::Command;

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

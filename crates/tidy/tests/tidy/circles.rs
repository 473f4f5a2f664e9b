//! No circle between the files of a crate: a file may use another one only if that one does not lead back to it. So a file can
//! be read with what it uses, and nothing else.

use crate::modules::{Crate, Uses, sources};
use std::collections::BTreeSet;

#[test]
fn no_file_leads_back_to_itself() {
    let mut found = Vec::new();
    for folder in sources() {
        found.extend(circles(&Crate::read(&folder).uses()));
    }
    assert!(found.is_empty(), "move what both need to a file of its own:\n{}", found.join("\n"));
}

/// The uses that are a part of a circle, a line each.
fn circles(uses: &Uses) -> Vec<String> {
    let mut found = Vec::new();
    for (from, targets) in uses {
        for (to, path) in targets {
            if reached(uses, to).contains(from) {
                found.push(format!("{from} uses {to} ({path}), which leads back"));
            }
        }
    }
    found
}

/// All files that a file uses, and those that these use, and so on.
fn reached(uses: &Uses, from: &str) -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<_> = uses.get(from).into_iter().flat_map(|targets| targets.keys().copied()).collect();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(uses.get(file).into_iter().flat_map(|targets| targets.keys().copied()));
        }
    }
    reached
}

#[test]
fn a_circle_over_three_files_is_found() {
    let to = |name| std::collections::BTreeMap::from([(name, String::new())]);
    let uses = Uses::from([("a", to("b")), ("b", to("c")), ("c", to("a")), ("d", to("a"))]);
    assert_eq!(circles(&uses).len(), 3);
}

//! Arrows from names to names: what docs/explanation/architecture.md draws, and which arrows form a circle. The names are crates,
//! folders or files; the rules that compare them are in crates.rs, folders.rs and `dependency_cycles.rs`.

use crate::source::root;
use std::collections::{BTreeMap, BTreeSet};

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

/// The arrows that lead back to where they begin, over others or not.
pub(crate) fn in_circles(arrows: &Arrows) -> Vec<(&str, &str)> {
    let pairs = arrows.iter().flat_map(|(from, targets)| targets.iter().map(move |to| (from.as_str(), to.as_str())));
    pairs.filter(|(from, to)| reached(arrows, to).contains(from)).collect()
}

/// All names that a name uses, and those that these use, and so on.
fn reached<'a>(arrows: &'a Arrows, from: &str) -> BTreeSet<&'a str> {
    let uses = |name: &str| arrows.get(name).into_iter().flatten().map(String::as_str);
    let mut reached = BTreeSet::new();
    let mut open: Vec<_> = uses(from).collect();
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(uses(name));
        }
    }
    reached
}

#[test]
fn a_circle_over_three_names_is_found() {
    let to = |name: &str| BTreeSet::from([name.to_owned()]);
    let arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")].map(|(from, name)| (from.to_owned(), to(name)));
    assert_eq!(in_circles(&Arrows::from(arrows)), [("a", "b"), ("b", "c"), ("c", "a")]);
}

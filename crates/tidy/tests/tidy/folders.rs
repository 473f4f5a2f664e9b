//! The arrows between the folders of the large crates. docs/explanation/architecture.md draws them as lines
//! `crate/folder -> folder, folder`; the `use` lines of the files are the truth. Files beside the folders are not drawn.

use crate::arrows::{Arrows, drawn, in_circles};
use crate::modules::Crate;

const LARGE: [&str; 4] = ["store", "cacheprogd", "cacheprogctl", "cacheprog-client"];

#[test]
fn the_drawn_arrows_between_folders_are_the_real_ones() {
    let mut real = Arrows::new();
    for name in LARGE {
        let arrows = of_crate(name);
        let circle = in_circles(&arrows);
        assert!(circle.is_empty(), "{name}: folders that lead back to each other: {circle:#?}");
        real.extend(arrows.into_iter().map(|(from, to)| (format!("{name}/{from}"), to)));
    }
    let drawn = drawn(|name| name.contains('/'));
    assert_eq!(
        drawn,
        real,
        "docs/explanation/architecture.md draws the left, the sources say the right:\n{}",
        lines(&real)
    );
}

/// The arrows between the folders of a crate.
fn of_crate(name: &str) -> Arrows {
    let sources = format!("crates/{name}/src/");
    let mut arrows = Arrows::new();
    for (from, targets) in Crate::read(&sources).uses() {
        let Some(from) = folder(&sources, from) else { continue };
        for to in targets.keys().filter_map(|to| folder(&sources, to)).filter(|to| *to != from) {
            arrows.entry(from.to_owned()).or_default().insert(to.to_owned());
        }
    }
    arrows
}

/// The first folder below the sources; none for a file that lies beside the folders.
fn folder<'a>(sources: &str, file: &'a str) -> Option<&'a str> {
    file.strip_prefix(sources)?.split_once('/').map(|(folder, _)| folder)
}

/// As the page has them.
fn lines(arrows: &Arrows) -> String {
    let line = |(from, to): (&String, &std::collections::BTreeSet<String>)| {
        format!("    {from} -> {}\n", to.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    arrows.iter().map(line).collect()
}

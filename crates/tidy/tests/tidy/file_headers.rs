//! What stands at the head of a file, and what stands in none: marks of unfinished work, and `unsafe` outside its one file.

use crate::source::{File, files};

#[test]
fn files_say_what_they_own() {
    let says = |file: &File| match file.name.rsplit('.').next() {
        Some("rs") => file.text.starts_with("//") || file.name.contains("/tests/it/"), // main.rs describes these
        Some("nix" | "sh") => file.text.starts_with('#'),
        _ => true,
    };
    let silent: Vec<_> = files().iter().filter(|file| !says(file)).map(|file| &file.name).collect();
    assert!(silent.is_empty(), "without a comment at their head: {silent:#?}");
}

#[test]
fn nothing_is_left_for_later_without_an_issue() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X"];
    let left: Vec<_> = files()
        .iter()
        .filter(|file| file.is_code() && marks.iter().any(|mark| file.text.contains(mark)))
        .map(|file| &file.name)
        .filter(|name| !name.starts_with("integration/")) // mktemp's templates
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn unsafe_is_in_one_file() {
    let word = "unsafe".to_owned() + " {";
    let with: Vec<_> = files().iter().filter(|file| file.text.contains(&word)).map(|file| &file.name).collect();
    assert_eq!(with, ["crates/cacheprogd/src/net/inherited_fds.rs"]);
}

//! Parts are read back, and what differs between two has a name.

use super::*;

fn parts(lines: &str) -> Parts {
    Parts::read(lines.as_bytes())
}

fn said(one: &Parts, two: &Parts) -> Vec<String> {
    one.differences(two).iter().map(Difference::to_string).collect()
}

#[test]
fn parts_are_read_back_and_differences_have_names() {
    let mut one = Parts::default();
    one.add(Part::Variable, "REV", &[1; 32]);
    one.add(Part::Variable, "CGO_CFLAGS", &[7; 32]);
    one.add(Part::Program, "CC", &[1]);
    one.add(Part::Flags, "-toolexec", &[]);
    one.add(Part::Root, "root", &[1]);
    one.add_file("a b/x\ny.h", &[3; 32]);
    one.add_file("sqlite3.h", &[4; 32]);
    assert_eq!(Parts::read(&one.clone().write()), one);
    let mut two = one.clone();
    two.add(Part::Variable, "REV", &[2; 32]);
    two.add(Part::Program, "CC", &[2]);
    two.add(Part::Flags, "-toolexec", &[9]);
    two.add(Part::Root, "root", &[2]);
    two.add_file("sqlite3.h", &[5; 32]);
    two.add_file("new.h", &[5; 32]);
    assert_eq!(
        said(&one, &two),
        [
            "variable REV",
            "program CC",
            "flag -toolexec",
            "the directory of the sources",
            "file new.h",
            "file sqlite3.h"
        ]
    );
    assert_eq!(said(&two, &one), said(&one, &two));
    assert_eq!(said(&one, &one), Vec::<String>::new());
    assert!(Parts::default().is_empty() && !one.is_empty());
}

#[test]
fn any_text_is_read_and_names_nothing_that_a_terminal_interprets() {
    for text in
        ["", "v", "v A", "v A 12", "q A 0123456789abcdef", "v \u{1b}[0m 0123456789abcdef", "v  0123456789abcdef"]
    {
        assert!(parts(text).is_empty(), "{text:?}");
    }
    assert!(Parts::read(&[0xff; 100_000]).is_empty());
    let long = format!("f {} 0123456789abcdef\n", "x".repeat(NAME + 1));
    assert!(parts(&long).is_empty());
}

fn tree(files: usize, edited: usize) -> Parts {
    let mut parts = Parts::default();
    for n in 0..files {
        let hash = if n == edited { [1; 8] } else { (n as u64).to_be_bytes() };
        parts.add_file(&format!("top{}/d{}/f{n}.h", n % 7, n % 700), &hash);
    }
    parts
}

#[test]
fn of_many_files_directories_are_named_and_of_more_the_upper_ones() {
    assert_eq!(said(&tree(1500, 0), &tree(1500, 8)), ["file top0/d0/f0.h", "file top1/d8/f8.h"]);
    assert_eq!(said(&tree(3000, usize::MAX), &tree(3000, 8)), ["directory top1/d8"]);
    // A list of files and one of directories can be compared.
    let mut fewer = Parts::default();
    let mut more = Parts::default();
    for n in 0..PATHS {
        fewer.add_file(&format!("d{}/{n}", n % 9), &[1]);
        more.add_file(&format!("d{}/{n}", n % 9), &[1]);
    }
    more.add_file("d3/new", &[1]);
    assert_eq!((fewer.depth, more.depth), (Depth::Files, Depth::Directories(1)));
    assert_eq!(said(&fewer, &more), ["directory d3"]);
    assert_eq!(said(&Parts::read(&fewer.write()), &Parts::read(&more.write())), ["directory d3"]);
}

#[test]
fn the_text_is_bounded() {
    let mut parts = Parts::default();
    for n in 0..PATHS {
        parts.add_file(&format!("{}/{n}/{}", n % 10, "x".repeat(100)), &[1]);
    }
    for n in 0..10_000 {
        parts.add(Part::Variable, &format!("V{n}"), &[1]);
    }
    let text = parts.write();
    assert!(text.len() <= limits::PARTS);
    let read = Parts::read(&text);
    assert_eq!(read.others.len(), OTHERS);
    assert_eq!(read.depth, Depth::Directories(1));
}

#[test]
fn files_of_the_root_have_a_directory() {
    let mut parts = Parts::default();
    parts.add_file("a.h", &[1]);
    parts.add_file("b/c.h", &[1]);
    parts.limit_depth(Depth::Directories(0));
    assert_eq!(parts.paths.keys().map(|name| &**name).collect::<Vec<_>>(), ["."]);
}

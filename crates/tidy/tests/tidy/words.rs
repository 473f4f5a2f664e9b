//! The words that this project does not use any more, each with the word of the field that took its place: as names of files,
//! as identifiers, and in texts that people read. One thing has one word; a page or a message needs no key to be read.

use crate::source::{File, files, with_ending};
use crate::tokens::tokens;

/// A folder of the tree, and names of Rust files and folders in it that are refused, each with its word.
type Names = (&'static str, &'static [(&'static str, &'static str)]);

const FILES: &[Names] = &[
    (
        "crates/cacheprog-client/",
        &[
            ("answers", "responder"),
            ("asked", "invocation"),
            ("manners", "stdio"),
            ("own", "read_your_writes"),
            ("held", "put_body"),
            ("plain", "transparent_policy"),
            ("points", "exports"),
            ("silence", "circuit_breaker"),
            ("link", "in_flight"),
            ("remote", "daemon: remote is S3 and the like"),
            ("drain", "spool_flush"),
            ("tend", "maintenance"),
            ("inputs", "test_inputs"),
            ("contents", "content_hash"),
            ("derivation", "variables"),
            ("overlay", "invocation"),
            ("host", "host_session"),
        ],
    ),
    (
        "crates/store/",
        &[
            ("doubt", "recovery"),
            ("incoming", "staged_body"),
            ("place", "atomic_rename"),
            ("seal", "integrity_mtime"),
            ("tally", "counters"),
            ("survey", "scan"),
            ("spare", "grace"),
            ("caps", "limits"),
            ("recent", "bounded_map"),
        ],
    ),
    (
        "crates/cacheprogd/",
        &[
            ("order", "clean_shutdown"),
            ("door", "socket_role"),
            ("meter", "usage_recorder"),
            ("usage", "time_series"),
            ("health", "storage_health"),
            ("watch", "liveness"),
            ("complain", "warn_rate_limited"),
            ("account", "build_profile"),
        ],
    ),
    ("crates/cacheprogctl/", &[("names", "build_selector"), ("screen", "terminal"), ("account", "build_profile")]),
    ("crates/modproxy/", &[("flight", "single_flight"), ("patience", "timeouts"), ("trouble", "upstream_error")]),
    (
        "integration/",
        &[
            ("odd", "misbehaving_cacheprog"),
            ("player", "fake_go"),
            ("world", "fixture"),
            ("lab", "fake_builds"),
            ("ratios", "stats"),
            ("standin", "nixpkgs_stub"),
            ("truths", "assertions"),
        ],
    ),
];

const IDENTIFIERS: &[(&str, &str)] = &[
    ("Caps", "Limits"),
    ("Came", "GetOutcome"),
    ("Census", "Counters"),
    ("Doomed", "Victim"),
    ("Door", "SocketRole"),
    ("Doubt", "Recovery"),
    ("Fate", "PutOutcome"),
    ("Held", "BodyBuffer"),
    ("Holder", "BodyBuffer"),
    ("Pilot", "Writer"),
    ("Places", "TestContext"),
    ("Sharing", "a word of its own"),
    ("Shelf", "Shard"),
    ("Survey", "Scan"),
    ("Tally", "Counters"),
    ("Unwanted", "Mode"),
    ("Which", "PurgeFilter"),
    ("account", "build_profile"),
    ("caps", "limits"),
    ("census", "counters"),
    ("complain", "warn_rate_limited"),
    ("doomed", "victim"),
    ("doubt", "recovery"),
    ("doubted", "to_verify"),
    ("fate", "put_outcome"),
    ("manners", "stdio"),
    ("mend", "fix"),
    ("owed", "outstanding"),
    ("patience", "timeouts"),
    ("pilot", "writer"),
    ("player", "fake_go"),
    ("poor", "warn"),
    ("screen", "terminal"),
    ("seal", "integrity_mtime"),
    ("settle", "answer_locally"),
    ("shelf", "shard"),
    ("standin", "nixpkgs_stub"),
    ("survey", "scan"),
    ("survives", "catch_fault"),
    ("tally", "counters"),
    ("truths", "assertions"),
];

/// Texts that stand in no file, but in the changelog's table of what was renamed.
const PHRASES: &[(&str, &str)] = &[
    ("GET alone", "the usual text of 405"),
    ("that is no request", "the usual text of 400"),
    ("did not stop in order", "unclean shutdown"),
    ("stopped without order", "unclean shutdown"),
    ("one more is turned away", "connection limit"),
    ("nobody needs", "idle"),
    ("cacheprogd status", "cacheprogctl status"),
    ("cacheprogd builds", "cacheprogctl builds"),
    ("cacheprogd why", "cacheprogctl why"),
    ("cacheprogd top", "cacheprogctl top"),
    ("cacheprogd doctor", "cacheprogctl doctor"),
    ("cacheprogd verify", "cacheprogctl verify"),
    ("cacheprogd gc", "cacheprogctl gc"),
    ("cacheprogd purge", "cacheprogctl purge"),
    ("cacheprogd install", "cacheprogctl install"),
    ("cacheprogd uninstall", "cacheprogctl uninstall"),
];

/// Turns of speech that have to be read twice.
const RIDDLES: &[(&str, &str)] = &[
    ("whoever", "name who it is"),
    ("nobody", "name who it is"),
    ("somebody", "name who it is"),
    ("but for", "except"),
    ("anew", "again"),
    ("mends", "fixes"),
    ("mended", "fixed"),
];

#[test]
fn files_have_the_words_of_the_field() {
    let mut found = Vec::new();
    for (folder, words) in FILES {
        for file in with_ending(".rs").chain(with_ending(".sh")).filter(|file| file.name.starts_with(folder)) {
            for (old, new) in words.iter().filter(|(old, _)| file.stem() == *old || is_in(file, old)) {
                found.push(format!("{}: not {old} but {new}", file.name));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Whether a file is in a folder of that name.
fn is_in(file: &File, folder: &str) -> bool {
    file.name.split('/').rev().skip(1).any(|part| part == folder)
}

#[test]
fn identifiers_are_words_of_the_field() {
    let mut found = Vec::new();
    for file in with_ending(".rs").filter(|file| !is_this(file)) {
        let tokens = tokens(&file.text);
        for (old, new) in IDENTIFIERS.iter().filter(|(old, _)| tokens.contains(old)) {
            found.push(format!("{}: not {old} but {new}", file.name));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn texts_are_words_of_the_field() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| !is_this(file) && file.name != "CHANGELOG.md") {
        let is_said = |old: &str| file.text.lines().any(|line| line.contains(old) && !line.contains("FORMER_")); // as once written
        for (old, new) in PHRASES.iter().filter(|(old, _)| is_said(old)) {
            found.push(format!("{}: not \"{old}\" but {new}", file.name));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn texts_are_read_once() {
    // The setup hook's bytes are in the hash of each package that has it.
    let is_frozen = |file: &File| file.name == "overlay/setup-hook.sh" || file.name == "CHANGELOG.md";
    let texts = files().iter().filter(|file| file.is_code() || file.name.ends_with(".md"));
    let found: Vec<_> = texts.filter(|file| !is_this(file) && !is_frozen(file)).flat_map(riddles).collect();
    assert!(found.is_empty(), "{found:#?}");
}

fn riddles(file: &File) -> Vec<String> {
    let text = file.text.to_lowercase();
    let is_part = |next: Option<char>| next.is_some_and(|sign| sign.is_alphabetic() || sign == '_'); // of a longer word or a name
    let is_whole =
        |at: usize, end: usize| !is_part(text[..at].chars().next_back()) && !is_part(text[end..].chars().next());
    let is_found = |word: &str| text.match_indices(word).any(|(at, _)| is_whole(at, at + word.len()));
    let found = RIDDLES.iter().filter(|(old, _)| is_found(old));
    found.map(|(old, new)| format!("{}: \"{old}\": {new}", file.name)).collect()
}

fn is_this(file: &File) -> bool {
    file.name.ends_with("tidy/words.rs")
}

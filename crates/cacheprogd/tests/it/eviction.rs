use std::process::{Command, Output};
use std::time::Duration;

use proto::wire::Reply;

use crate::daemon::Daemon;
use crate::{Session, content, output};

const LARGE: usize = 20 << 20;

fn body(n: u8) -> Vec<u8> {
    vec![n; LARGE]
}

fn gc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cacheprogd")).arg("gc").args(arguments).output().unwrap()
}

/// Waits until it is so, for ten seconds.
fn becomes(mut is_so: impl FnMut() -> bool) -> bool {
    (0..200).any(|_| {
        is_so() || {
            std::thread::sleep(Duration::from_millis(50));
            false
        }
    })
}

#[test]
fn a_daemon_keeps_within_its_limit_while_a_build_goes_on() {
    let mut daemon = Daemon::start_with(&["--max-size", "64MiB", "--min-free", "1%"]);
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    for n in 0..5 {
        assert!(matches!(session.put(n, &body(n)), Reply::Stored { .. }));
    }
    assert_eq!(daemon.status().max_bytes, Some(64 << 20));
    assert!(becomes(|| daemon.status().eviction.is_some()), "{:?}", daemon.status());
    let status = daemon.status();
    // What was put in the moment of the look keeps its object until the next one.
    assert!(status.bytes <= 85 << 20 && status.entries < 5, "{status:?}");
    assert_eq!(status.eviction.unwrap().entries, 5 - status.entries);
    // What the build was told of is there, evicted or not; what went is a miss to others.
    for n in 0..5 {
        assert_eq!(std::fs::read(view.join("o").join(output(&body(n)).to_string())).unwrap(), body(n));
    }
    let other = daemon.register("two");
    let mut session = Session::open(&other, "/go");
    let hits = (0..5).filter(|&n| session.get(n) != Reply::Miss).count() as u64;
    assert_eq!(hits, status.entries);
    // The count is kept over a stop, and over a kill it is found again.
    daemon.stop();
    daemon.start_again();
    assert_eq!((daemon.status().entries, daemon.status().bytes), (status.entries, status.bytes));
    session = Session::open(&other, "/go");
    assert!(matches!(session.put(9, b"one more"), Reply::Stored { .. }));
    daemon.kill();
    daemon.start_again();
    assert!(becomes(|| daemon.status().entries == status.entries + 1), "{:?}", daemon.status());
}

#[test]
fn gc_beside_a_daemon_says_what_goes_and_the_daemon_knows() {
    let daemon = Daemon::start_with(&["--max-size", "none"]);
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    for n in 0..5 {
        session.put(n, &body(n));
    }
    std::thread::sleep(Duration::from_millis(50)); // what was put this moment keeps its object
    let state = daemon.state_dir();
    let keep = ["--state-dir", state.to_str().unwrap(), "--config", "/dev/null", "--max-size", "80MiB"];
    let would = gc(&[&keep[..], &["--dry-run"]].concat());
    let text = String::from_utf8(would.stdout).unwrap();
    assert!(text.contains("5 entries, 5 objects, 100.0 MiB of at most 80.0 MiB"), "{text}");
    assert!(text.contains("would go: 2 entries, 2 objects, 40.0 MiB: least recently used"), "{text}");
    assert_eq!(daemon.status().entries, 5);
    let done = gc(&[&keep[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&json["gone"]["size"]["entries"], &json["left"]["entries"]), (&2.into(), &3.into()), "{json}");
    assert_eq!(daemon.status().entries, 3);
    // The session goes on, with what it was shown and with new puts.
    assert_eq!((0..5).filter(|&n| session.get(n) != Reply::Miss).count(), 3);
    let Reply::Stored { .. } = session.put(7, b"new") else { panic!("not stored") };
    assert_eq!(content(&view, session.get(7)), b"new");
}

#[test]
fn limits_that_make_no_sense_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("settings.toml");
    let path = settings.to_str().unwrap();
    for (text, mends) in [
        ("max-size = \"-1GiB\"", ["max-size", "write a size such as"]),
        ("max-size = \"1MiB\"", ["max-size", "at least 64MiB"]),
        ("max-age = \"60 potatoes\"", ["max-age", "write a time such as"]),
        ("maxsize = \"1GiB\"", ["maxsize", "unknown field"]),
    ] {
        std::fs::write(&settings, text).unwrap();
        let refused = gc(&["--config", path]);
        let error = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1));
        for expected in mends.iter().chain([&path]) {
            assert!(error.contains(expected), "{error}");
        }
    }
    let typed = gc(&["--max-size", "much"]);
    let error = String::from_utf8(typed.stderr).unwrap();
    assert!(typed.status.code() == Some(2) && error.contains("--max-size") && error.contains("50GiB"), "{error}");
    let missing = gc(&["--config", "/nonexistent/settings.toml"]);
    assert!(String::from_utf8(missing.stderr).unwrap().contains("/nonexistent/settings.toml"));
    let no_store = gc(&["--config", "/dev/null", "--state-dir", path]);
    assert_eq!(no_store.status.code(), Some(1));
}

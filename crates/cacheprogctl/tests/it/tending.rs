use std::process::{Command, Output};
use std::time::Duration;

use proto::control::Requester;
use proto::wire::Reply;
use serde_json::Value;
use testkit::{Daemon, Session, content, lose_bytes, program};

use crate::command;

const LARGE: usize = 20 << 20;

fn body(n: u8) -> Vec<u8> {
    vec![n; LARGE]
}

fn gc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cacheprogctl")).arg("gc").args(arguments).output().unwrap()
}

#[test]
fn gc_beside_a_daemon_says_what_it_removes_and_the_daemon_counts_it() {
    let daemon = Daemon::start_with(&["--max-size", "none"]);
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    for n in 0..5 {
        session.put(n, &body(n));
    }
    std::thread::sleep(Duration::from_millis(50)); // what was put this moment keeps its object
    let state = daemon.state_dir();
    let keep =
        ["--state-dir", state.to_str().unwrap(), "--config", "/dev/null", "--max-size", "80MiB", "--min-free", "64MiB"];
    let would = gc(&[&keep[..], &["--dry-run"]].concat());
    let text = String::from_utf8(would.stdout).unwrap();
    assert!(text.contains("5 entries, 5 objects, 100.0 MiB of at most 80.0 MiB"), "{text}");
    assert!(text.contains("would remove: 2 entries, 2 objects, 40.0 MiB: least recently used"), "{text}");
    assert_eq!(daemon.status().entries, 5);
    let done = gc(&[&keep[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&json["gone"]["size"]["entries"], &json["left"]["entries"]), (&2.into(), &3.into()), "{json}");
    assert_eq!(daemon.status().entries, 3);
    // The session goes on, with what it was shown and with new puts.
    assert_eq!((0..5).filter(|&n| session.get(n) != Reply::Miss).count(), 3);
    let Reply::Stored { .. } = session.put(7, b"new") else { panic!("not stored") };
    assert_eq!(content(&view, session.get(7)), b"new");
}

#[test]
fn invalid_limits_are_refused_with_their_name_and_file() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("settings.toml");
    let path = settings.to_str().unwrap();
    for (text, parts) in [
        ("max-size = \"-1GiB\"", ["max-size", "write a size such as"]),
        ("max-size = \"1MiB\"", ["max-size", "at least 64MiB"]),
        ("max-age = \"60 potatoes\"", ["max-age", "write a time such as"]),
        ("maxsize = \"1GiB\"", ["maxsize", "unknown field"]),
    ] {
        std::fs::write(&settings, text).unwrap();
        let refused = gc(&["--config", path]);
        let error = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1));
        for expected in parts.iter().chain([&path]) {
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

#[test]
fn verify_works_beside_a_daemon_and_without_one() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    session.put(1, b"damaged");
    session.put(2, b"whole");
    lose_bytes(&daemon, b"damaged");
    let state_dir = daemon.state_dir();
    let verify = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"));
        let output = command.arg("verify").args(args).arg("--state-dir").arg(&state_dir).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = verify(&[]);
    assert_eq!(code, Some(1));
    assert!(text.contains(": 1 entries with 1 outputs, and 1 objects ("), "the damaged one is not intact: {text}");
    assert!(text.contains("\n1 damaged object: remove with --repair\n"), "{text}");
    assert!(text.contains(&format!("\ndamaged: {}/objects/", state_dir.display())), "{text}");
    let (code, text) = verify(&["--json", "--repair"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["damaged_objects"], 1);
    assert_eq!(session.get(1), Reply::Miss);
    let nowhere = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"))
        .args(["verify", "--state-dir", "/nowhere/at/all"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("no store in /nowhere/at/all"));
    daemon.stop();
    assert_eq!(verify(&[]).0, Some(0));
}

#[test]
fn purge_removes_what_a_build_put_and_nothing_else_beside_a_running_daemon() {
    let mut daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    let (mut first, mut second) = (Session::open(&one, "/go"), Session::open(&two, "/go"));
    first.put(1, b"of one");
    first.put(2, b"of both");
    second.put(3, b"of both");
    second.put(4, b"of two");
    let state_dir = daemon.state_dir();
    let purge = |arguments: &[&str]| {
        let arguments = [&["purge", "--json", "--state-dir", state_dir.to_str().unwrap()], arguments].concat();
        let (code, text, error) = command(&daemon, &arguments);
        (code, serde_json::from_str::<Value>(&text).unwrap_or_default(), error)
    };
    std::thread::sleep(Duration::from_millis(50)); // what was put this moment keeps its object
    let (code, would, _) = purge(&["--written-by", "one", "--dry-run"]);
    assert_eq!((code, &would["entries"], &would["objects"]), (Some(0), &2.into(), &1.into()));
    assert_eq!(daemon.status().entries, 4);
    assert_eq!(purge(&["--written-by", "one"]).1["entries"], 2);
    let third = daemon.register("three");
    let mut session = Session::open(&third, "/go");
    let found = [1, 2, 3, 4].map(|n| matches!(session.get(n), Reply::Hit { .. }));
    assert_eq!(found, [false, false, true, true]);
    assert_eq!(daemon.status().entries, 2);
    assert!(purge(&["--written-by", "onee"]).2.contains("did you mean one"));
    assert!(purge(&["--all"]).2.contains("--yes"));
    assert_eq!(purge(&["--older-than", "1h"]).1["entries"], 0);
    assert_eq!(purge(&["--all", "--yes"]).1["entries"], 2);
    assert_eq!(daemon.status().entries, 0);
    daemon.stop();
    let (code, ..) = command(&daemon, &["purge", "--all", "--yes", "--state-dir", state_dir.to_str().unwrap()]);
    assert_eq!(code, Some(0), "without a daemon too");
}

#[test]
fn purge_removes_what_is_for_one_user_and_builds_show_whom_entries_are_for() {
    let daemon = Daemon::start();
    let of_user = Requester::User { uid: 30_101, forwards: false };
    Session::open(&daemon.register("trusted"), "/go").put(1, b"of all");
    assert!(!command(&daemon, &["builds"]).1.contains("entries for"));
    let mut session = Session::open(&daemon.register_for("own", of_user, true), "/go");
    session.put(2, b"of one");
    session.put(3, b"of one too");
    let (_, builds, _) = command(&daemon, &["builds"]);
    let line = |name: &str| builds.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(line("name").ends_with("entries for") && line("own").ends_with("user 30101"), "{builds}");
    assert!(!line("trusted").contains("user"), "{builds}");
    assert!(command(&daemon, &["status"]).1.contains("user 30101"));
    std::thread::sleep(Duration::from_millis(50)); // what was put this moment keeps its object
    let state_dir = daemon.state_dir();
    let purge = |arguments: &[&str]| {
        command(&daemon, &[&["purge", "--state-dir", state_dir.to_str().unwrap()], arguments].concat())
    };
    let (_, would, _) = purge(&["--user", "30101", "--dry-run"]);
    assert!(would.starts_with("would remove: 2 of 3 entries, 2 objects"), "{would}");
    assert!(purge(&["--user", "root"]).1.starts_with("removed: 0 of 3"));
    assert!(purge(&["--user", "30101"]).1.starts_with("removed: 2 of 3"));
    assert_eq!(daemon.status().entries, 1);
    let (code, _, error) = purge(&["--user", "no-such-user"]);
    assert!(code == Some(1) && error.contains("no user no-such-user in /etc/passwd"), "{error}");
}

#[test]
fn the_store_of_a_running_daemon_of_an_earlier_version_is_not_changed() {
    let mut daemon = Daemon::start();
    let (state_dir, other) = (daemon.state_dir(), daemon.dir.path().join("other.sock"));
    let (format, former) = (state_dir.join("format"), state_dir.join("actions"));
    // As version 1 has it while it runs.
    std::fs::write(&format, "nix-gocacheprog store 1\n").unwrap();
    std::fs::create_dir(&former).unwrap();
    let serve = program("cacheprogd");
    let run = |args: &[&str]| {
        let mut command = match args {
            ["serve", ..] => Command::new(&serve),
            _ => Command::new(env!("CARGO_BIN_EXE_cacheprogctl")),
        };
        let output = command.args(args).arg("--state-dir").arg(&state_dir).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let is_former = || former.exists() && std::fs::read_to_string(&format).unwrap().ends_with("store 1\n");
    let gc = ["gc", "--config", "/dev/null"];
    let looks: [&[&str]; 3] = [&[&gc[..], &["--dry-run"]].concat(), &["verify"], &["purge", "--all", "--dry-run"]];
    for args in looks.into_iter().chain([&gc[..], &["verify", "--repair"], &["purge", "--all", "--yes"]]) {
        let (code, text) = run(args);
        assert_eq!(code, Some(1), "{args:?}: {text}");
        assert!(text.contains("a daemon of an earlier version runs on"), "{args:?}: {text}");
        assert!(is_former(), "{args:?}");
    }
    let (code, text) = run(&["serve", "--control-socket", other.to_str().unwrap()]);
    assert!(code == Some(1) && text.contains("in use by another daemon") && is_former(), "{text}");
    daemon.kill();
    // Without the daemon, dry runs still change nothing.
    for args in looks {
        let (code, text) = run(args);
        assert!(code == Some(0) && is_former(), "{args:?}: {text}");
    }
    assert_eq!(run(&gc).0, Some(0));
    assert!(!former.exists() && std::fs::read_to_string(&format).unwrap().ends_with("store 2\n"));
}

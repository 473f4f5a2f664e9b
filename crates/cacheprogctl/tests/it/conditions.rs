//! What `why` and doctor tell of conditions that did not hold, played with a client that sends what conditions are made of.

use std::fs;

use proto::parts::{Part, Parts};
use proto::wire::{Reply, Request};
use proto::{Condition, ScopeDigest, scopes};
use serde_json::Value;
use testkit::{Daemon, Session};

use crate::{command, directory};

/// The condition of a build with this revision, and what it is made of.
fn condition(revision: u8) -> (Condition, Vec<u8>) {
    let mut parts = Parts::default();
    parts.add(Part::Variable, "REV", &[revision; 32]);
    parts.add(Part::Variable, "CPATH", &[1; 32]);
    parts.add_file("include/a.h", &[1; 32]);
    (Condition { scope: scopes::TREE, digest: ScopeDigest([revision; 32]) }, parts.write())
}

/// A build that compiles one package with C, unless it may have what others put under its condition. Returns its short id.
fn build(daemon: &Daemon, name: &str, revision: u8) -> String {
    let body = [b"!<arch>\nwith C".as_slice(), &[revision]].concat();
    let mut session = Session::open(&daemon.register(name), "/go");
    let (condition, parts) = condition(revision);
    match session.get(1) {
        Reply::Conditional { candidates } => {
            assert!(candidates.iter().all(|one| one.condition != condition));
            session.tell(1, Request::Rejected, b"");
        }
        other => assert_eq!(other, Reply::Miss),
    }
    session.put_private(1, &body);
    session.tell(0, Request::Parts { condition: condition.clone(), parts }, b"");
    session.share(1, &body, Some(condition));
    let short = daemon.build(name).short;
    drop(session);
    daemon.end_build(name);
    short
}

#[test]
fn why_names_the_variable_that_differs_and_not_its_value() {
    let daemon = Daemon::start();
    build(&daemon, "web-1.0", 1);
    let second = build(&daemon, "web-1.1", 2);
    let (code, text, error) = command(&daemon, &["why", "--all", &second]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.contains("other condition\t1\t"), "{text}");
    assert!(text.contains("certain\tsource tree: variable REV differs"), "{text}");
    let (_, json, _) = command(&daemon, &["why", "--json", &second]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["missed"][0]["cause"], "other-condition");
    let hash = "0202020202020202";
    let kept = daemon.state_dir().join("conditions").join(ScopeDigest([2; 32]).to_string());
    assert!(fs::read_to_string(kept).unwrap().contains(hash) && !json.to_string().contains(hash));
}

/// The offer is compared with what the build has, whichever build of whatever name made it.
#[test]
fn no_earlier_build_of_the_name_is_needed() {
    let daemon = Daemon::start();
    build(&daemon, "one", 1);
    build(&daemon, "other", 2);
    let (_, text, _) = command(&daemon, &["why", "other"]);
    assert!(text.contains("with no earlier build to compare with"), "{text}");
    assert!(text.contains("source tree: variable REV differs"), "{text}");
}

#[test]
fn without_the_parts_of_a_condition_the_scope_is_named() {
    let daemon = Daemon::start();
    build(&daemon, "web-1.0", 1);
    let dir = daemon.state_dir().join("conditions");
    fs::remove_file(dir.join(ScopeDigest([1; 32]).to_string())).unwrap();
    let second = build(&daemon, "web-1.1", 2);
    let (_, text, _) = command(&daemon, &["why", &second]);
    assert!(text.contains("other condition\t1\t") && text.contains("source tree: it holds something else"), "{text}");
}

#[test]
fn a_build_is_found_by_the_first_letters_of_its_id() {
    let daemon = Daemon::start();
    let short = build(&daemon, "web-1.0", 1);
    assert!(directory(&daemon).exists());
    for prefix in [&short[..4], &short[..6], &short] {
        let (code, listed, error) = command(&daemon, &["builds", prefix]);
        assert_eq!(code, Some(0), "{error}");
        assert!(listed.lines().nth(1).is_some_and(|row| row.starts_with(&short)), "{listed}");
        assert_eq!(command(&daemon, &["why", prefix]).0, Some(0));
    }
}

#[test]
fn doctor_names_a_variable_that_changes_in_each_build() {
    let daemon = Daemon::start();
    let state_dir = daemon.state_dir().display().to_string();
    let doctor = || command(&daemon, &["doctor", "--state-dir", &state_dir]).1;
    // Builds have an order by the second in which they began.
    let build = |revision: u8, n: u8| {
        std::thread::sleep(std::time::Duration::from_millis(1001));
        build(&daemon, &format!("web-1.{n}"), revision);
    };
    for revision in 1..=3 {
        build(revision, revision);
    }
    let text = doctor();
    assert!(text.contains("good variables that change in each build: none costs hits"), "{text}");
    build(4, 4);
    let text = doctor();
    assert!(
        text.contains("warn variables that change in each build: REV in each of the last 3 builds of web ("),
        "{text}"
    );
    assert!(text.contains("packages were compiled again") && text.contains("ldflags"), "{text}");
}

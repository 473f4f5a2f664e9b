//! Who may write what others read.

use proto::control::Requester;
use proto::wire::Reply;
use proto::{Condition, ScopeDigest, scopes};
use testkit::{Daemon, Session, output};

const ARCHIVE: &[u8] = b"!<arch>\nof a package";

/// A session of a build that this user asked for. The tests' own user, who is the daemon's, is a writer; no other is, but root.
fn session(daemon: &Daemon, name: &str, uid: u32) -> Session {
    session_with(daemon, name, uid, "/go")
}

fn session_with(daemon: &Daemon, name: &str, uid: u32, goroot: &str) -> Session {
    Session::open(&daemon.register_for(name, Requester::User { uid, forwards: false }, true), goroot)
}

fn writer() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn is_hit(reply: &Reply) -> bool {
    matches!(reply, Reply::Hit { .. })
}

fn is_archive(reply: &Reply) -> bool {
    matches!(reply, Reply::Hit { output: found, .. } if found.id == output(ARCHIVE))
}

#[test]
fn what_a_user_puts_is_for_that_user_and_what_a_writer_puts_for_all() {
    let daemon = Daemon::start();
    session(&daemon, "evil", 30_101).put(1, ARCHIVE);
    session(&daemon, "trusted", writer()).put(2, ARCHIVE);
    for (name, uid, of_user, of_writer) in
        [("same", 30_101, true, true), ("victim", 30_102, false, true), ("writer", writer(), false, true)]
    {
        let mut session = session(&daemon, name, uid);
        assert_eq!((is_hit(&session.get(1)), is_hit(&session.get(2))), (of_user, of_writer), "{name}");
    }
    let shared_with = |name| daemon.build(name).shared_with;
    assert_eq!((shared_with("evil"), shared_with("trusted")), ("user 30101".to_owned(), "all users".to_owned()));
}

#[test]
fn what_another_user_put_first_keeps_no_writer_from_putting() {
    let daemon = Daemon::start();
    session(&daemon, "evil", 30_101).put(1, b"!<arch>\nevil");
    let mut honest = session(&daemon, "honest", writer());
    assert!(!is_hit(&honest.get(1)));
    honest.put(1, ARCHIVE);
    assert!(is_archive(&session(&daemon, "third", 30_103).get(1)));
    session(&daemon, "evil-2", 30_104).put(1, b"!<arch>\nevil");
    assert!(is_archive(&session(&daemon, "fourth", 30_103).get(1)));
}

#[test]
fn a_build_of_an_unknown_user_reads_what_all_read_and_writes_nothing() {
    let mut daemon = Daemon::start();
    session(&daemon, "trusted", writer()).put(1, ARCHIVE);
    let view = daemon.register_for("unknown", Requester::Unknown("no connection".into()), true);
    let mut unknown = Session::open(&view, "/go");
    assert!(is_hit(&unknown.get(1)));
    unknown.put(2, ARCHIVE);
    assert!(is_hit(&unknown.get(2)), "its own");
    daemon.stop();
    daemon.start_again();
    let mut unknown = Session::open(&view, "/go");
    unknown.put(3, ARCHIVE);
    for n in [2, 3] {
        assert!(!is_hit(&session(&daemon, "other", writer()).get(n)), "{n}");
    }
    assert!(
        daemon
            .build("unknown")
            .shared_with
            .starts_with("no other build: it is not known who asked for it: no connection")
    );
}

#[test]
fn a_build_with_a_network_writes_files_of_modules_alone() {
    let daemon = Daemon::start();
    let fetch = daemon.register_for("fetch", Requester::User { uid: writer(), forwards: false }, false);
    let mut go = Session::open(&fetch, "/go");
    go.put(1, ARCHIVE);
    assert!(is_hit(&go.get(1)), "its own");
    Session::open(&fetch, "modules 2").put(2, b"a module's file");
    let mut other = session(&daemon, "other", 30_101);
    assert!(!is_hit(&other.get(1)));
    assert!(is_hit(&session_with(&daemon, "other-fetch", 30_101, "modules 2").get(2)));
}

#[test]
fn what_a_hello_says_changes_no_partition() {
    let daemon = Daemon::start();
    for goroot in ["/go", "/nix/store/x/share/go", "", "modules 2", "common", "user-30102", "../common"] {
        session_with(&daemon, "evil", 30_101, goroot).put(1, ARCHIVE);
        assert!(!is_hit(&session_with(&daemon, "victim", 30_102, goroot).get(1)), "{goroot}");
        assert!(!is_hit(&session_with(&daemon, "writer", writer(), goroot).get(1)), "{goroot}");
    }
}

#[test]
fn with_two_witnesses_an_output_is_served_to_other_names_after_a_second_one_put_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("settings.toml");
    std::fs::write(&config, "[trust]\nwitnesses = 2\n").unwrap();
    let daemon = Daemon::start_with(&["--config", config.to_str().unwrap()]);
    let condition = || Some(Condition { scope: scopes::STD, digest: ScopeDigest([1; 32]) });
    let put = |name, body: &[u8]| {
        let mut session = session(&daemon, name, writer());
        session.put(1, body);
        session.put_private(2, body);
        session.share(2, body, condition());
        session.wait_for_notices();
    };
    let hits = |name| {
        let mut session = session(&daemon, name, writer());
        [is_hit(&session.get(1)), session.get(2) != Reply::Miss]
    };
    put("evil", b"!<arch>\nevil");
    assert_eq!((hits("evil"), hits("victim")), ([true, true], [false, false]));
    // Another output is no second witness, and stays with its build.
    put("victim", ARCHIVE);
    assert_eq!(hits("third"), [false, false]);
    put("third", b"!<arch>\nevil");
    assert_eq!(hits("fourth"), [true, true], "two builds put the same");
}

#[test]
fn what_a_user_takes_beyond_the_share_is_evicted_before_what_all_read() {
    // The limit comes after the puts: beside one an eviction may count an object that has no entry yet, and takes another in its place.
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("settings.toml");
    std::fs::write(&config, "max-size = '1GiB'\n").unwrap();
    let mut daemon = Daemon::start_with(&["--config", config.to_str().unwrap(), "--min-free", "1%"]);
    let large = |n: u8| vec![n; 12 << 20];
    let mut trusted = session(&daemon, "trusted", writer());
    (0..2).for_each(|n| drop(trusted.put(n, &large(n))));
    let mut evil = session(&daemon, "evil", 30_101);
    (10..16).for_each(|n| drop(evil.put(n, &large(n))));
    drop((trusted, evil));
    daemon.stop();
    std::fs::write(&config, "max-size = '64MiB'\n").unwrap();
    daemon.start_again();
    let evicted = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        daemon.status().eviction.is_some()
    });
    assert!(evicted, "{:?}", daemon.status());
    let mut other = session(&daemon, "other", writer());
    assert!((0..2).all(|n| is_hit(&other.get(n))));
}

/// A compiled package, which a profile lists.
const PACKAGE: &[u8] = include_bytes!("../../../store/tests/data/greet.a");

#[test]
fn a_profile_says_that_another_user_has_what_was_missed_and_not_who() {
    let daemon = Daemon::start();
    session(&daemon, "first", 30_101).put(1, PACKAGE);
    std::thread::sleep(std::time::Duration::from_millis(50)); // it was there when the others asked
    let missed = |name: &str, uid, n: u8, goroot: &str| {
        let mut session = session_with(&daemon, name, uid, goroot);
        assert!(!is_hit(&session.get(n)));
        session.put(n, PACKAGE);
        session.put(99, name.as_bytes());
        let profile = testkit::profile(&daemon, &daemon.build(name).short).unwrap();
        assert_eq!(profile["packages"].as_array().map(Vec::len), Some(1), "{profile}");
        assert!(!profile.to_string().contains("30101"), "{profile}");
        profile["packages"][0]["not_shared"] == true
    };
    assert!(missed("of-another-user", 30_102, 1, "/go"));
    assert!(missed("of-a-writer", writer(), 1, "/go"));
    assert!(!missed("of-another-toolchain", 30_103, 1, "/go2"));
    assert!(!missed("of-another-action", 30_104, 2, "/go"));
    assert!(is_hit(&session(&daemon, "of-the-same-user", 30_101).get(1)));
}

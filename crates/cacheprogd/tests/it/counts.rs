use std::fs;

use proto::control::Counts;
use proto::wire::Reply;
use testkit::{Daemon, Session, http};

fn counts(daemon: &Daemon, name: &str) -> Counts {
    daemon.build(name).counts
}

#[test]
fn an_output_counts_as_served_once_for_a_build_and_not_for_the_build_that_put_it() {
    let daemon = Daemon::start();
    let mut one = Session::open(&daemon.register("one"), "/go");
    one.put(1, b"nine bytes");
    one.put(2, b"nine bytes");
    let mut two = Session::open(&daemon.register("two"), "/go");
    for n in [1, 1, 2] {
        assert!(matches!(one.get(n), Reply::Hit { .. }) && matches!(two.get(n), Reply::Hit { .. }));
    }
    assert_eq!((counts(&daemon, "one").bytes_served, counts(&daemon, "two").bytes_served), (0, 10));
}

#[test]
fn a_restarted_daemon_counts_nothing_twice() {
    let mut daemon = Daemon::start();
    Session::open(&daemon.register("one"), "/go").put(1, b"nine bytes");
    let view = daemon.register("two");
    let ask = || {
        let mut session = Session::open(&view, "/go");
        session.put(2, b"more bytes");
        [1, 2].iter().all(|&n| matches!(session.get(n), Reply::Hit { .. }))
    };
    assert!(ask());
    let before = counts(&daemon, "two");
    daemon.stop();
    daemon.start_again();
    assert!(ask());
    let after = counts(&daemon, "two").since(&before);
    assert_eq!((after.hits, after.repeated_gets, after.bytes_served), (2, 2, 0));
}

/// Within the minute in which the directory of an ended build stays, the next daemon restores it.
#[test]
fn a_build_that_ended_before_a_restart_is_counted_once() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut daemon = Daemon::start_with(&["--http", &format!("127.0.0.1:{port}")]);
    let (ended, live) = (daemon.register("ended"), daemon.register("live"));
    for view in [&ended, &live] {
        Session::open(view, "/go").get(1);
    }
    daemon.end_build("ended");
    while daemon.status().usage.hour.builds < 1 {}
    let counted = daemon.status().usage.hour;
    assert_eq!((counted.builds, counted.counts.gets), (1, 2));
    let state = ended.parent().unwrap().join("build.json");
    let log = daemon.stop();
    assert!(log.contains("ended: "), "{log}");
    let mut saved: serde_json::Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    saved["started"] = (saved["started"].as_u64().unwrap() - 61).into();
    fs::write(&state, saved.to_string()).unwrap();
    daemon.start_again();
    Session::open(&live, "/go").get(2);
    while ended.exists() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let after = daemon.status().usage.hour;
    assert_eq!((after.builds, after.counts.gets), (1, 3), "the get after the restart alone is new");
    let metrics = http(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(metrics.contains("\ngocacheprog_gets_total 1\n"), "{metrics}");
    assert!(metrics.contains("\ngocacheprog_builds_total 0\n"), "{metrics}");
    assert!(!daemon.stop().contains("ended: "), "its end is logged once");
}

#[test]
fn the_log_has_the_short_id_of_a_build_and_never_the_whole_one() {
    let mut daemon = Daemon::start();
    Session::open(&daemon.register("one"), "/go").put(1, b"body");
    let mut session = Session::open(&daemon.register("two"), "/go");
    session.put(1, b"other body");
    let builds: Vec<_> = ["one", "two"].map(|name| daemon.build(name)).into();
    let view = daemon.state_dir().join("builds").join(&builds[1].id).join("view");
    fs::remove_dir_all(view).unwrap();
    assert!(matches!(session.put(2, b"body"), Reply::Refused(_)), "with the path of what is not there in the log");
    daemon.end_build("one");
    while !daemon.status().builds.ended.iter().any(|build| build.name == "one") {}
    let log = daemon.stop();
    for build in builds {
        assert!(log.contains(&format!("build {} ({}) registered", build.name, build.short)), "{log}");
        assert!(!log.contains(&build.id), "{log}");
    }
    assert!(log.contains("stays private to this build"), "{log}");
}

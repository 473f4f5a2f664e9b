use std::fs;
use std::net::TcpListener;

use proto::control::{Answer, Control, Counts};
use proto::wire::Reply;
use serde_json::Value;
use testkit::{Daemon, Session, ask_status_socket, http};

use crate::{command, directory};

fn counts(daemon: &Daemon, name: &str) -> Counts {
    daemon.build(name).counts
}

#[test]
fn private_outputs_are_no_misses_and_repeated_gets_are_no_hits() {
    let daemon = Daemon::start();
    let mut session = Session::open(&daemon.register("cold"), "/go");
    for (n, body) in [(1, b"go index v2\nof a module".as_slice()), (2, b"body")] {
        assert_eq!(session.get(n), Reply::Miss);
        session.put(n, body);
        assert!(matches!(session.get(n), Reply::Hit { .. }));
    }
    let cold = counts(&daemon, "cold");
    assert_eq!((cold.gets, cold.hits, cold.repeated_gets, cold.private_gets), (4, 2, 2, 1));
    assert_eq!((cold.shareable_hits(), cold.shareable_gets()), (0, 1), "of a cold build nothing came from the cache");
    let mut session = Session::open(&daemon.register("warm"), "/go");
    assert_eq!(session.get(1), Reply::Miss);
    session.put(1, b"go index v2\nof a module");
    assert!(matches!(session.get(2), Reply::Hit { .. }));
    let warm = counts(&daemon, "warm");
    assert_eq!((warm.shareable_hits(), warm.shareable_gets()), (1, 1), "and of a warm one all that can be shared");
    assert!(command(&daemon, &["builds", "warm"]).1.contains("\t100 %\t"));
}

/// The directory of a build stays for a minute after its registration. No command shows that.
#[test]
fn a_build_that_is_over_is_not_live_while_its_directory_stays() {
    let daemon = Daemon::start();
    let mut session = Session::open(&daemon.register("one"), "/go");
    session.put(1, b"body");
    let id = daemon.build("one").id;
    daemon.end_build("one");
    let status = daemon.status();
    assert_eq!((status.builds.live.len(), status.builds.ended.len()), (0, 1));
    let ended = &status.builds.ended[0];
    assert_eq!((ended.name.as_str(), ended.counts.puts), ("one", 1));
    assert!(ended.ended >= ended.started);
    let (Answer::Builds(builds), text) = ask_status_socket(&daemon, Control::Builds) else { panic!() };
    assert_eq!((builds.ended[0].name.as_str(), text.contains(&id)), ("one", false));
    assert_eq!(builds.ended[0].id, "", "its socket is there as well");
    assert!(command(&daemon, &["top", "--once"]).1.starts_with("0 live builds"));
    assert!(directory(&daemon).join("view/sock").exists());
}

/// As a build was whose last go command ended 2.5 s after its registration, a minute ago, and whose daemon was stopped.
#[test]
fn the_wall_time_of_a_build_ends_with_its_last_go_command_and_survives_a_restart() {
    let mut daemon = Daemon::start();
    drop(Session::open(&daemon.register("one"), "/go"));
    daemon.stop();
    let file = directory(&daemon).join("build.json");
    let mut saved: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let (started, last_used) = (saved["started_ms"].as_u64().unwrap(), saved["last_used_ms"].as_u64().unwrap());
    assert!(last_used >= started && started / 1000 == saved["started"].as_u64().unwrap());
    let started = started - 61_000;
    saved["started"] = (started / 1000).into();
    saved["started_ms"] = started.into();
    saved["last_used_ms"] = (started + 2500).into();
    fs::write(&file, saved.to_string()).unwrap();
    daemon.start_again();
    daemon.end_build("one");
    let shown = || command(&daemon, &["builds", "one"]).1;
    let wall_time = |text: &str| text.lines().nth(1).and_then(|row| row.split('\t').nth(3)).map(str::to_owned);
    assert_eq!(wall_time(&shown()).as_deref(), Some("2.5 s"));
    let is_removed = || fs::read_dir(daemon.state_dir().join("builds")).unwrap().next().is_none();
    while !is_removed() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(wall_time(&shown()).as_deref(), Some("2.5 s"), "and in the history");
    assert_eq!(daemon.build("one").ended, (started + 2500) / 1000);
}

#[test]
fn the_page_and_the_command_line_show_the_same_figures() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = Daemon::start_with(&["--http", &format!("127.0.0.1:{port}")]);
    Session::open(&daemon.register("one"), "/go").put(1, &[7; 119_000]);
    let mut session = Session::open(&daemon.register("two"), "/go");
    for n in 1..4 {
        session.get(n);
    }
    drop(session);
    daemon.end_build("two");
    let shown = command(&daemon, &["builds", "two"]).1;
    let row: Vec<_> = shown.lines().nth(1).unwrap().split('\t').collect();
    assert_eq!(row[6..8], ["33 %", "116.2 KiB"]);
    let page = http(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // All but how long ago it ended, which is another second by now.
    let same = |fields: &[&str]| serde_json::to_string(fields).unwrap().trim_matches(['[', ']']).to_owned();
    for fields in [&row[..2], &row[3..]] {
        assert!(page.contains(&same(fields)), "{fields:?} {page}");
    }
}

/// Hit rates alone mislead: a cold build asks again for what it put. A package counts once a
/// build, whichever of its go commands asks.
#[test]
fn builds_and_why_show_packages_compiled_of_packages_needed() {
    let daemon = Daemon::start();
    let body = |n: u8| [if n < 10 { b"!<arch>\n".as_slice() } else { b"no package" }, &[n]].concat();
    let build = |name: &str, packages: &[u8]| {
        let view = daemon.register(name);
        for _go_command in 0..2 {
            let mut session = Session::open(&view, "/go");
            for &n in packages {
                if session.get(n) == Reply::Miss {
                    assert!(matches!(session.put(n, &body(n)), Reply::Stored { .. }));
                }
            }
        }
        let counts = counts(&daemon, name);
        (counts.packages_compiled, counts.packages_needed)
    };
    assert_eq!(build("cold", &[1, 2, 3, 11, 12]), (3, 3));
    assert_eq!(build("edited", &[1, 4, 3, 11, 12]), (1, 3));
    assert_eq!(build("warm", &[1, 2, 3, 11, 12]), (0, 3));
    for (name, expected) in [("warm", "0 of 3 packages compiled"), ("edited", "1 of 3 packages compiled")] {
        let why = command(&daemon, &["why", name]).1;
        assert!(why.lines().next().is_some_and(|line| line.contains(expected)), "{why}");
        daemon.end_build(name);
    }
    assert!(command(&daemon, &["builds", "warm"]).1.contains("\t0\t3\t100 %\t"));
    while daemon.status().usage.hour.builds < 2 {}
    let hour = daemon.status().usage.hour.counts;
    assert_eq!((hour.packages_compiled, hour.packages_needed), (4, 9));
}

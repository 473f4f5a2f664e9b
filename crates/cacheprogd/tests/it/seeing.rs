use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use proto::control::{Answer, Control, Envelope, Registration};
use proto::limits;
use proto::wire::{Reply, Request, read_json_line, write_json_line};
use serde_json::Value;

use crate::Session;
use crate::daemon::Daemon;

/// Asks at the socket for everyone; what follows the answer is returned with it.
pub(crate) fn look(daemon: &Daemon, request: Control) -> (Answer, String) {
    let stream = UnixStream::connect(daemon.dir.path().join("status.sock")).unwrap();
    write_json_line(&stream, &Envelope::new(request)).unwrap();
    let mut rest = BufReader::new(stream);
    let answer = read_json_line(&mut rest, limits::CONTROL_ANSWER).unwrap();
    let mut text = String::new();
    rest.read_to_string(&mut text).unwrap();
    (answer, text)
}

pub(crate) fn account(daemon: &Daemon, build: &str) -> Result<Value, String> {
    match look(daemon, Control::Account { build: build.to_owned() }) {
        (Answer::Follows(length), text) => {
            assert_eq!(text.len() as u64, length);
            Ok(serde_json::from_str(&text).unwrap())
        }
        (Answer::Error(error), _) => Err(error),
        (other, _) => panic!("{other:?}"),
    }
}

pub(crate) fn command(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cacheprogd"));
    let output = command.args(arguments).env("NIX_GOCACHEPROG_CONTROL", daemon.control()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// As Nix ends a build, a minute ago.
fn end(daemon: &mut Daemon, name: &str) {
    daemon.stop();
    for entry in std::fs::read_dir(daemon.state_dir().join("builds")).unwrap() {
        let state = entry.unwrap().path().join("build.json");
        let mut saved: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
        saved["started"] = (saved["started"].as_u64().unwrap() - 61).into();
        std::fs::write(&state, saved.to_string()).unwrap();
    }
    daemon.start_again();
    std::fs::remove_dir_all(daemon.dir.path().join(format!("{name}.drv.chroot"))).unwrap();
    let over = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let kept = std::fs::read_dir(daemon.state_dir().join("accounts")).unwrap().count() > 0;
        kept && daemon.status().builds.live.is_empty()
    });
    assert!(over);
}

#[test]
fn everyone_may_look_and_is_not_told_what_leads_to_a_live_build() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").put(1, b"body");
    let socket = std::fs::metadata(daemon.dir.path().join("status.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o666);
    let id = daemon.status().builds.live[0].id.clone();
    assert_eq!(id.len(), 32);
    for request in [Control::Status, Control::Builds] {
        let (answer, _) = look(&daemon, request);
        let text = serde_json::to_string(&answer).unwrap();
        assert!(text.contains("\"name\":\"one\"") && !text.contains(&id), "{text}");
    }
    let short = daemon.status().builds.live[0].short.clone();
    let told = account(&daemon, &short).unwrap();
    assert_eq!(told["build"]["name"], "one");
    assert!(!told["others"].as_array().unwrap().is_empty());
    assert!(account(&daemon, "../../lock").is_err());
    let derivation = "/nix/store/x-two.drv".to_owned();
    let register = Control::Register(Registration { derivation, chroot: None, descriptors: Vec::new() });
    assert!(matches!(look(&daemon, register).0, Answer::Error(error) if error.contains("control socket")));
    assert_eq!(daemon.status().builds.live.len(), 1);
}

/// The id is in the account's build too.
#[test]
fn an_account_does_not_lead_to_a_live_build_either() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").get(1);
    let build = daemon.status().builds.live[0].clone();
    let told = account(&daemon, &build.short).unwrap();
    assert!(!told.to_string().contains(&build.id), "{told}");
}

#[test]
fn a_setting_turns_the_socket_for_everyone_off() {
    let daemon = Daemon::start_with(&["--status-socket", "none"]);
    assert!(!daemon.dir.path().join("status.sock").exists());
    assert_eq!(daemon.status().builds.live.len(), 0);
}

#[test]
fn accounts_and_usage_outlive_the_build_and_the_daemon() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one-1.0");
    let mut session = Session::open(&view, "/go");
    assert_eq!(session.get(1), Reply::Miss);
    session.put(1, b"body");
    session.get(1);
    session.put(2, b"go index v2\nprivate");
    end(&mut daemon, "one-1.0");
    let status = daemon.status();
    assert_eq!((status.usage.hour.builds, status.usage.month.counts.gets), (1, 2));
    let short = status.builds.ended[0].short.clone();
    let others = account(&daemon, &short).unwrap()["others"].as_array().unwrap().clone();
    let said = |n: usize, field: &str| others[n][field].as_str().unwrap_or_default().to_owned();
    assert_eq!((said(0, "came"), said(0, "fate"), said(0, "what")), ("miss".into(), "shared".into(), "rest".into()));
    assert_eq!(
        (said(1, "came"), said(1, "fate"), said(1, "what")),
        ("unasked".into(), "private".into(), "mtime".into())
    );
    daemon.stop();
    daemon.start_again();
    assert_eq!(daemon.status().usage.month.counts.gets, 2);
    let (code, text, error) = command(&daemon, &["why", "one"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.contains("first build\t1\t"), "{text}");
    let (code, text, _) = command(&daemon, &["builds", "--json"]);
    assert_eq!(code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["ended"][0]["name"], "one-1.0");
}

#[test]
fn a_build_is_told_why_it_missed() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    session.get(1);
    session.put(1, b"body");
    session.send(Request::Why, b"");
    let why = session.reply();
    assert!(matches!(&why, Reply::Why(text) if text.starts_with("1 misses: first build")), "{why:?}");
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let daemon = Daemon::start();
    daemon.register("caddy-2.10");
    for arguments in [["why", "cady"], ["builds", "cadi"]] {
        let (code, _, error) = command(&daemon, &arguments);
        assert_eq!(code, Some(1));
        assert!(error.contains("did you mean caddy-2.10?"), "{error}");
    }
}

#[test]
fn purge_removes_what_a_build_put_beside_a_running_daemon_and_nothing_else() {
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
    std::thread::sleep(std::time::Duration::from_millis(50)); // what was put this moment keeps its object
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

/// What one connection is answered.
pub(crate) fn http(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request).unwrap();
    drop(stream.shutdown(std::net::Shutdown::Write));
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    answer
}

#[test]
fn metrics_and_the_page_are_served_and_garbage_is_refused() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut daemon = Daemon::start_with(&["--http", &format!("127.0.0.1:{port}")]);
    let view = daemon.register("<!--<script>x");
    Session::open(&view, "/go").get(1);
    let metrics = http(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(metrics.contains("\ngocacheprog_gets_total 1\n") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(metrics.contains("gocacheprog_request_duration_seconds_count{request=\"miss\"} 1"), "{metrics}");
    let page = http(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("\\u003c!--\\u003cscript>x"), "{page}");
    assert!(!page.contains("<!--<script>") && !page.contains(&daemon.status().builds.live[0].id));
    for (request, code) in [
        (b"GET /etc/passwd HTTP/1.1\r\n\r\n".as_slice(), "404"),
        (b"POST / HTTP/1.1\r\n\r\n", "405"),
        (b"GET / HTTP/1.1\r\nHost: attacker.example\r\n\r\n", "421"),
        (b"\x16\x03\x01\x02\x00", "400"),
        (&[b'x'; 20_000], "400"),
    ] {
        let answer = http(port, request);
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
    }
    let idle: Vec<_> = (0..50).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    assert!(daemon.is_running());
    assert_eq!(Session::open(&view, "/go").get(2), Reply::Miss, "who only connects keeps nobody from the cache");
    drop(idle);
}

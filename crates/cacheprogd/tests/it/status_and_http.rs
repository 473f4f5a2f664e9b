use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use proto::control::{Answer, Control, Envelope, Registration, Sender};
use proto::limits::HELLO_LINE;
use proto::wire::{Hello, Reply, Request, Toolchain, VERSION, Welcome, read_json_line, write_json_line};
use testkit::{Daemon, Session, ask_status_socket, http, profile};

#[test]
fn the_status_socket_tells_every_user_nothing_that_leads_to_a_live_build() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").put(1, b"body");
    let socket = std::fs::metadata(daemon.dir.path().join("status.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o666);
    let id = daemon.status().builds.live[0].id.clone();
    assert_eq!(id.len(), 32);
    for request in [Control::Status, Control::Builds] {
        let (answer, _) = ask_status_socket(&daemon, request);
        let text = serde_json::to_string(&answer).unwrap();
        assert!(text.contains("\"name\":\"one\"") && !text.contains(&id), "{text}");
    }
    let short = daemon.status().builds.live[0].short.clone();
    let profile_json = profile(&daemon, &short).unwrap();
    assert_eq!(profile_json["build"]["name"], "one");
    assert!(!profile_json["others"].as_array().unwrap().is_empty());
    assert!(profile(&daemon, "../../lock").is_err());
}

#[test]
fn a_hook_and_a_client_of_another_version_are_in_the_status() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let hook = UnixStream::connect(daemon.control()).unwrap();
    let request = Control::Register(Registration::default());
    write_json_line(&hook, &Envelope { version: VERSION - 1, request }).unwrap();
    let answer: Answer = read_json_line(&mut BufReader::new(hook), HELLO_LINE).unwrap();
    assert!(matches!(answer, Answer::Error(_)), "{answer:?}");
    for _ in 0..2 {
        let client = UnixStream::connect(view.join("sock")).unwrap();
        write_json_line(&client, &Hello { version: VERSION + 1, ..Hello::new(Toolchain::default()) }).unwrap();
        let welcome: Welcome = read_json_line(&mut BufReader::new(client), HELLO_LINE).unwrap();
        assert!(welcome.error.is_some(), "{welcome:?}");
    }
    // At the socket for everyone it is refused, and nothing is kept of it.
    let anyone = UnixStream::connect(daemon.dir.path().join("status.sock")).unwrap();
    write_json_line(&anyone, &Envelope { version: 77, request: Control::Status }).unwrap();
    drop(read_json_line::<Answer>(&mut BufReader::new(anyone), HELLO_LINE).unwrap());
    let status = daemon.status();
    let seen: Vec<_> = status.other_versions.iter().map(|one| (one.sender, one.version, one.times)).collect();
    assert_eq!(seen, [(Sender::HookOrCommandLine, VERSION - 1, 1), (Sender::Client, VERSION + 1, 2)]);
}

/// A later version may ask for what this one does not know.
#[test]
fn a_program_of_another_version_is_noticed_whatever_its_line_has() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let ask = |socket: &Path, line: &str| {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let answer: serde_json::Value = read_json_line(&mut BufReader::new(stream), HELLO_LINE).unwrap();
        answer["error"].as_str().unwrap().to_owned()
    };
    let request = ask(&daemon.control(), "{\"version\":9,\"request\":{\"new-thing\":{}}}\n");
    assert!(request.contains("of version 9, this daemon of"), "{request}");
    let hello = ask(&view.join("sock"), "{\"version\":8,\"toolchain\":[\"new\"]}\n");
    assert!(hello.contains("protocol version 8"), "{hello}");
    let seen: Vec<_> = daemon.status().other_versions.iter().map(|one| (one.sender, one.version)).collect();
    assert_eq!(seen, [(Sender::HookOrCommandLine, 9), (Sender::Client, 8)]);
}

#[test]
fn no_build_is_registered_at_the_status_socket() {
    let daemon = Daemon::start();
    let derivation = "/nix/store/x-two.drv".to_owned();
    let register = Control::Register(Registration { derivation, ..Registration::default() });
    assert!(matches!(ask_status_socket(&daemon, register).0, Answer::Error(error) if error.contains("control socket")));
    assert!(daemon.status().builds.live.is_empty());
}

/// A profile contains the build's status too.
#[test]
fn a_profile_does_not_lead_to_a_live_build() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").get(1);
    let build = daemon.status().builds.live[0].clone();
    let profile_json = profile(&daemon, &build.short).unwrap();
    assert!(!profile_json.to_string().contains(&build.id), "{profile_json}");
}

/// Every user may read it, and it has the path with which each socket was bound.
#[test]
fn the_kernels_list_of_sockets_leads_to_no_live_build() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").get(1);
    let sockets = std::fs::read_to_string(format!("/proc/{}/net/unix", daemon.pid().as_raw_nonzero())).unwrap();
    assert!(sockets.contains(".sock.new"), "{sockets}");
    assert!(!sockets.contains(&daemon.status().builds.live[0].id), "{sockets}");
}

#[test]
fn a_setting_disables_the_status_socket() {
    let daemon = Daemon::start_with(&["--status-socket", "none"]);
    assert!(!daemon.dir.path().join("status.sock").exists());
    assert_eq!(daemon.status().builds.live.len(), 0);
}

#[test]
fn a_build_gets_the_reason_of_its_misses() {
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
    assert_eq!(
        Session::open(&view, "/go").get(2),
        Reply::Miss,
        "connections without a request keep no build from the cache"
    );
    drop(idle);
}

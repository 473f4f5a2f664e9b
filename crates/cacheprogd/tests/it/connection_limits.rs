//! Peers that hold connections, slowly or in large numbers, and keep no other peer from being served. How connections are
//! admitted is tested in `net/connection_table.rs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proto::control::{Answer, Control, Envelope};
use proto::wire::{Hello, Reply, Request, Toolchain, read_json_line, write_json_line};
use proto::{Output, limits};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, kill_process, prlimit, setrlimit};
use testkit::{Daemon, Session, action, output};

/// The daemon raises its own limit.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// Sends a hello. Whether a welcome came, which does not come where the session is refused.
fn greet(view: &Path) -> (UnixStream, bool) {
    let stream = UnixStream::connect(view.join("sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let welcomed = write_json_line(&stream, &Hello::new(Toolchain::default())).is_ok()
        && (&stream).read(&mut [0; 400]).is_ok_and(|welcomed| welcomed > 0);
    (stream, welcomed)
}

#[test]
fn builds_with_as_many_sessions_as_they_can_get_keep_no_other_build_out() {
    raise_file_limit();
    let daemon = Daemon::start();
    let names = ["a", "b", "c", "d"];
    let views = names.map(|name| daemon.register(name));
    // Long before the others: a put whose body is under way, and a session that becomes silent.
    let mut putting = Session::open(&views[0], "/go");
    let body = [b'b'; 1 + 4 * 16];
    putting
        .send(Request::Put { action: action(1), output: Output { id: output(&body), size: body.len() as u64 } }, b"");
    let mut silent = Session::open(&views[0], "/go");
    assert_eq!(silent.get(9), Reply::Miss);
    let mut held = Vec::new();
    let welcomed = views.each_ref().map(|view| {
        let greet_and_put = |n: usize| {
            if n.is_multiple_of(16) {
                putting.stream.write_all(b"b").unwrap(); // it goes on, however slow this machine is
            }
            greet(view)
        };
        let (streams, welcomed): (Vec<_>, Vec<_>) = (0..256).map(greet_and_put).unzip();
        held.extend(streams);
        welcomed.into_iter().filter(|welcomed| *welcomed).count()
    });
    assert!(welcomed.iter().all(|welcomed| *welcomed > 128), "{welcomed:?}");
    let late = daemon.register("late");
    let mut sessions: Vec<_> = (0..64).map(|_| Session::open(&late, "/go")).collect();
    assert!(sessions.iter_mut().all(|session| session.get(2) == Reply::Miss));
    let live = daemon.status().builds.live;
    let of_the_four = live.iter().filter(|build| names.contains(&build.name.as_str())).map(|build| build.sessions);
    assert!(
        of_the_four.clone().max().unwrap() - of_the_four.min().unwrap() <= 2,
        "the four have equal numbers: {live:?}"
    );
    assert!(silent.is_over(), "it was silent for longest");
    putting.stream.write_all(b"b").unwrap();
    assert!(matches!(putting.reply(), Reply::Stored { .. }), "a request under way keeps its session");
    drop(held);
    let comes_back = (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        greet(&views[0]).1
    });
    assert!(comes_back, "a build whose sessions were closed may come back");
}

#[test]
fn silent_connections_keep_no_other_build_out() {
    raise_file_limit();
    let daemon = Daemon::start();
    let mut held = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let view = daemon.register(name);
        held.extend((0..256).map(|_| UnixStream::connect(view.join("sock")).unwrap()));
        held.push(greet(&view).0); // answered or not, all before it were accepted
    }
    let late = daemon.register("late");
    assert_eq!(Session::open(&late, "/go").get(1), Reply::Miss);
    drop(held);
}

/// Sends `bytes` one by one; how many the daemon took before it ended the connection.
fn trickle(mut stream: impl Write, bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| {
            std::thread::sleep(Duration::from_millis(250));
            stream.write_all(std::slice::from_ref(byte)).is_ok()
        })
        .count()
}

#[test]
fn a_hello_that_comes_byte_by_byte_gains_no_time() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = Daemon::start_with(&["--http", &format!("127.0.0.1:{port}")]);
    let view = daemon.register("one");
    let slow = [b' '; 100]; // four to a second: much longer than a hello may take
    std::thread::scope(|scope| {
        let sockets = [view.join("sock"), daemon.control(), daemon.dir.path().join("status.sock")];
        for socket in sockets.into_iter().chain([daemon.dir.path().join("host.sock")]) {
            scope.spawn(move || {
                let taken = trickle(UnixStream::connect(&socket).unwrap(), &slow);
                assert!(taken < slow.len(), "{}", socket.display());
            });
        }
        scope.spawn(move || {
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            assert!(trickle(stream, &slow) < slow.len(), "http");
        });
    });
}

#[test]
fn slow_and_silent_http_peers_keep_no_other_from_the_metrics() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = Daemon::start_with(&["--http", &format!("127.0.0.1:{port}")]);
    let ask = |request: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        drop(stream.write_all(request)); // the daemon may have hung up already
        stream
    };
    let get = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Some say nothing, some not all, some read no answer.
    let held: Vec<_> = (0..300).map(|n| ask(&get[..[0, 20, get.len()][n % 3]])).collect();
    // As a scraper that asks again.
    let answered = |request: &[u8]| {
        let answers = (0..50).map(|_| {
            let mut answer = String::new();
            drop(ask(request).read_to_string(&mut answer));
            answer
        });
        answers.into_iter().find(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n")).unwrap()
    };
    assert!(answered(get).ends_with("# EOF\n"));
    assert!(answered(b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").ends_with("\r\n\r\n"));
    let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.pid().as_raw_nonzero())).unwrap().count();
    assert!(threads < 100, "{threads} threads");
    drop(held);
}

/// Connects `times` to a socket as this user, and holds the connections.
fn hold(socket: &Path, uid: u32, times: usize) -> Child {
    let text = "import socket,sys,time
held = [socket.socket(socket.AF_UNIX) for n in range(int(sys.argv[2]))]
for s in held: s.connect(sys.argv[1])
print('held', flush=True); time.sleep(1000)";
    let mut python = Command::new("python3");
    python.args(["-c", text]).arg(socket).arg(times.to_string()).uid(uid).gid(uid);
    let mut holding = python.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(holding.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    holding
}

/// Needs root, to be other users.
#[test]
fn users_that_hold_the_open_sockets_keep_no_other_user_out() {
    let Some(daemon) = Daemon::start_for_other_users() else { return };
    for (name, request) in [("status.sock", Control::Status), ("host.sock", Control::Builds)] {
        let socket = daemon.dir.path().join(name);
        let mut holding: Vec<_> = (4242..4246).map(|uid| hold(&socket, uid, 200)).collect();
        let stream = UnixStream::connect(&socket).unwrap();
        write_json_line(&stream, &Envelope::new(request)).unwrap();
        let answer = read_json_line::<Answer>(&mut BufReader::new(stream), limits::CONTROL_ANSWER);
        for child in &mut holding {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        answer.unwrap();
    }
}

/// signal(7): a socket call with a time limit fails with EINTR once the process was stopped and goes on, as in a debugger, a
/// frozen container or a suspended shell.
#[test]
fn a_daemon_that_was_paused_answers_requests_that_were_half_sent() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = Daemon::start_with(&["--http", &format!("127.0.0.1:{port}")]);
    let view = daemon.register("one");
    let mut control = UnixStream::connect(daemon.control()).unwrap();
    let mut hello = UnixStream::connect(view.join("sock")).unwrap();
    let mut http = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut ask = Vec::new();
    write_json_line(&mut ask, &Envelope::new(Control::Builds)).unwrap();
    let mut greeting = Vec::new();
    write_json_line(&mut greeting, &Hello::new(Toolchain::default())).unwrap();
    let get = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    control.write_all(&ask[..9]).unwrap();
    hello.write_all(&greeting[..9]).unwrap();
    http.write_all(&get[..9]).unwrap();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(50)); // it waits for the rest
        kill_process(daemon.pid(), Signal::STOP).unwrap();
        kill_process(daemon.pid(), Signal::CONT).unwrap();
    }
    control.write_all(&ask[9..]).unwrap();
    hello.write_all(&greeting[9..]).unwrap();
    http.write_all(&get[9..]).unwrap();
    let answer: Answer = read_json_line(&mut BufReader::new(&control), limits::CONTROL_ANSWER).unwrap();
    assert!(matches!(answer, Answer::Builds(_)), "{answer:?}");
    let mut first = [0; 12];
    http.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    assert!(hello.read(&mut [0; 100]).unwrap() > 0);
}

#[test]
fn without_descriptors_open_sessions_go_on_and_new_connections_are_served_later() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut daemon = Daemon::start_with(&["--http", &format!("127.0.0.1:{port}")]);
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    let (pid, few) = (Some(daemon.pid()), Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) });
    let usual = prlimit(pid, Resource::Nofile, few).unwrap();
    let fill: Vec<_> = (0..100).map(|_| UnixStream::connect(view.join("sock")).unwrap()).collect();
    // One peer waits at each kind of socket.
    let mut waiting = UnixStream::connect(daemon.control()).unwrap();
    let mut http = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write_json_line(&waiting, &Envelope::new(Control::Builds)).unwrap();
    http.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut late = UnixStream::connect(view.join("sock")).unwrap();
    write_json_line(&late, &Hello::new(Toolchain::default())).unwrap();
    for n in 0..200 {
        assert_eq!(session.get(n), Reply::Miss);
        std::thread::sleep(Duration::from_millis(5));
    }
    prlimit(pid, Resource::Nofile, usual).unwrap();
    for stream in [&mut waiting as &mut dyn Read, &mut http, &mut late] {
        assert!(stream.read(&mut [0; 100]).unwrap() > 0);
    }
    drop(fill);
    let log = daemon.stop();
    let lines = log.lines().filter(|line| line.contains("cannot accept a connection")).count();
    assert_eq!(lines, 1, "{log}");
}

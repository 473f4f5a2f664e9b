use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use proto::control::{Answer, Control, Registration};
use proto::wire::{Hello, Reply, Request, Toolchain, VERSION, Welcome, read_json_line, write_json_line};
use proto::{Output, limits};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use testkit::{Daemon, Session, action, content, output};

/// Bytes that no client sends. Each ends its own session and nothing else.
#[test]
fn garbage_ends_its_session_and_no_other() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    let mut honest = Session::open(&view, "/go");
    honest.put(1, b"body");
    let bare = format!("{{\"version\":{VERSION}}}\n");
    let hellos: [&[u8]; 6] =
        [b"\n", b"{}\n", b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff\xfe", bare.as_bytes(), &[b'x'; 1 << 20]];
    for hello in hellos {
        let mut stream = UnixStream::connect(view.join("sock")).unwrap();
        drop(stream.write_all(hello)); // the daemon may have hung up already
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
    let huge = [b"P".as_slice(), &[1; 68], &10_000_000_000u64.to_le_bytes()].concat();
    for frames in [b"X\0\0\0\0".as_slice(), b"\x00\x00\x00\x00\x00", b"{\"ID\":1}", &huge] {
        let mut session = Session::open(&view, "/go");
        session.stream.write_all(frames).unwrap();
        assert!(session.is_over());
    }
    assert_eq!(content(&view, honest.get(1)), b"body");
    assert!(daemon.is_running());
    assert_eq!(daemon.status().entries, 1);
}

#[test]
fn a_body_that_breaks_off_is_not_kept() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    let (action_1, x) = (action(1), output(b"x"));
    let put = |size| Request::Put { action: action_1, output: Output { id: x, size } };
    // Its list breaks off, and its result after the list.
    let put_test = |inputs| Request::PutTest { action: action_1, output: Output { id: x, size: 10 }, inputs };
    for request in [put(10), put(1 << 20), put_test(10), put_test(3)] {
        let mut session = Session::open(&view, "/go");
        session.send(request, b"half");
        session.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(session.is_over());
    }
    assert_eq!(Session::open(&view, "/go").get(1), Reply::Miss);
    let tmp = daemon.state_dir().join("tmp");
    assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 0);
    daemon.stop();
    let saved = std::fs::read(view.parent().unwrap().join("build.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_slice(&saved).unwrap();
    assert_eq!(saved["used"], serde_json::json!({ "bytes": 0, "files": 0 }), "nor does it count");
}

/// Blocks and files count, and not the bytes of bodies: empty ones too take inodes.
#[test]
fn a_build_over_its_quota_is_refused_before_its_body_is_stored() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    daemon.stop();
    let state = view.parent().unwrap().join("build.json");
    let mut saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    saved["used"] = serde_json::json!({ "bytes": 0, "files": (1 << 20) - 2 });
    std::fs::write(&state, saved.to_string()).unwrap();
    daemon.start_again();
    let mut session = Session::open(&view, "/go");
    assert!(matches!(session.put(1, b"the last one"), Reply::Stored { .. }));
    let tmp = daemon.state_dir().join("tmp");
    let large = vec![7; 20 << 20];
    // Half of it is sent: nothing of it is on the disk, where it would have a file in tmp by now.
    session.send(
        Request::Put { action: action(2), output: Output { id: output(&large), size: large.len() as u64 } },
        &large[..10 << 20],
    );
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0);
    session.stream.write_all(&large[10 << 20..]).unwrap();
    assert!(matches!(session.reply(), Reply::Refused(_)));
    assert!(matches!(session.put(3, b""), Reply::Refused(_)));
    assert_eq!((session.get(2), session.get(3)), (Reply::Miss, Reply::Miss));
    assert_eq!(content(&view, session.get(1)), b"the last one");
    // And so it stays.
    drop(session);
    daemon.stop();
    daemon.start_again();
    assert!(matches!(Session::open(&view, "/go").put(3, b""), Reply::Refused(_)));
    assert_eq!(daemon.status().entries, 1);
}

#[test]
fn silence_within_a_frame_ends_the_session_and_between_frames_does_not() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let (mut idle, mut half) = (Session::open(&view, "/go"), Session::open(&view, "/go"));
    half.stream.write_all(b"Gabc").unwrap();
    let began = Instant::now();
    assert!(half.is_over());
    assert!(began.elapsed() >= limits::PEER_TIMEOUT - Duration::from_secs(1));
    assert_eq!(idle.get(1), Reply::Miss);
}

/// Replies that the client does not read may not pile up, wherever the client's writes end.
#[test]
fn a_client_that_reads_no_replies_is_disconnected() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    session.put(1, b"body");
    let mut frame = Vec::new();
    Request::Get { action: action(1) }.write(1, &mut frame);
    let mut frames = frame.repeat(1000);
    frames.rotate_left(1); // each block ends within a frame
    session.stream.write_all(b"G").unwrap();
    session.stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let refused = (0..2000).find_map(|_| session.stream.write_all(&frames).err()).map(|e| e.kind());
    // Neither were two million gets taken, nor does the daemon wait with it.
    assert!(matches!(refused, Some(ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)), "{refused:?}");
    assert!(matches!(Session::open(&view, "/go").get(1), Reply::Hit { .. }));
}

#[test]
fn a_build_that_connects_without_end_delays_no_other_build_and_causes_few_log_lines() {
    let mut daemon = Daemon::start();
    let view = daemon.register("flood");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let took = std::thread::scope(|scope| {
        let other_version = b"{\"version\":99,\"toolchain\":{\"goroot\":\"\"}}\n".as_slice();
        for said in [b"x\n".as_slice(), b"x\n", other_version, other_version] {
            let (stop, view) = (&stop, &view);
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(UnixStream::connect(view.join("sock")).map(|mut stream| stream.write_all(said)));
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        for n in 0..5 {
            daemon.register(&format!("honest-{n}"));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        began.elapsed()
    });
    assert!(took < Duration::from_secs(10), "five builds waited {took:?}"); // without a bound: as long as the flood
    let log = daemon.stop();
    let warnings =
        log.lines().filter(|line| line.starts_with("build flood (") && !line.ends_with("registered")).count();
    assert!((1..=11).contains(&warnings), "{log}");
}

#[test]
fn a_client_of_another_version_gets_an_error_with_both_versions() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    for version in [0, VERSION - 1, VERSION + 1, u32::MAX] {
        let stream = UnixStream::connect(view.join("sock")).unwrap();
        write_json_line(&stream, &Hello { version, ..Hello::new(Toolchain::default()) }).unwrap();
        let mut answer = std::io::BufReader::new(&stream);
        let welcome: Welcome = read_json_line(&mut answer, limits::HELLO_LINE).unwrap();
        assert_eq!(welcome.version, VERSION);
        assert!(welcome.error.unwrap().contains(&version.to_string()));
    }
}

#[test]
fn a_build_cannot_send_the_hooks_requests_over_its_own_socket() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut stream = UnixStream::connect(view.join("sock")).unwrap();
    let request = proto::control::Envelope::new(Control::Status);
    write_json_line(&stream, &request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty());
}

/// Sends a byte with as many descriptors as a message may have.
fn send_descriptors(stream: &UnixStream, sent: &File) {
    let fds = [sent.as_fd(); 253];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(stream, &[IoSlice::new(b" ")], &mut ancillary, SendFlags::NOSIGNAL).unwrap();
}

#[test]
fn descriptors_that_come_along_are_not_kept() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let open = || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid().as_raw_nonzero())).unwrap().count();
    let (before, sent) = (open(), File::open("/dev/null").unwrap());
    let sockets = [view.join("sock"), daemon.dir.path().join("status.sock"), daemon.dir.path().join("host.sock")];
    let streams = sockets.map(|socket| UnixStream::connect(socket).unwrap());
    for stream in &streams {
        (0..20).for_each(|_| send_descriptors(stream, &sent));
    }
    std::thread::sleep(Duration::from_millis(200)); // they are read
    assert!(open() <= before + 3 * 3, "{} of {before}", open());
    let mut session = Session::open(&view, "/go");
    send_descriptors(&session.stream, &sent);
    assert!(session.is_over(), "the byte began no request");
    drop(streams);
}

#[test]
fn a_claim_of_endless_requests_without_a_daemon_is_cut() {
    let daemon = Daemon::start();
    let mut session = Session::open(&daemon.register("one"), "/go");
    for _ in 0..3 {
        session.tell(0, Request::WithoutDaemon { unanswered: u64::MAX, spooled: u64::MAX }, b"");
    }
    session.wait_for_notices();
    let counts = daemon.build("one").counts;
    assert!(counts.unanswered <= 1 << 26 && counts.spooled <= 1 << 26, "{counts:?}");
}

#[test]
fn garbage_on_the_control_socket_is_answered_with_an_error() {
    let daemon = Daemon::start();
    for nonsense in ["{}\n", "[1]\n", "{\"version\":99,\"request\":\"status\"}\n"] {
        let mut stream = UnixStream::connect(daemon.control()).unwrap();
        stream.write_all(nonsense.as_bytes()).unwrap();
        let answer = read_json_line(&mut std::io::BufReader::new(&stream), limits::CONTROL_ANSWER).unwrap();
        assert!(matches!(answer, Answer::Error(_)), "{answer:?}");
    }
    let odd =
        Registration { derivation: "/../\n\u{1b}[31mx".into(), chroot: Some("/\0".into()), ..Registration::default() };
    assert!(matches!(daemon.ask(Control::Register(odd)), Answer::Registered { .. }));
    assert!(!daemon.status().builds.live[0].name.contains('\u{1b}'));
}

#[test]
fn an_archive_that_others_use_is_not_replaced_by_a_claimed_test_result() {
    let daemon = Daemon::start();
    let (honest, hostile) = (daemon.register("honest"), daemon.register("hostile"));
    let archive = b"!<arch>\nan archive";
    Session::open(&honest, "/go").put(1, archive);
    let mut session = Session::open(&hostile, "/go");
    let put_test = |session: &mut Session, list: &[u8], result: &[u8]| {
        let (inputs, size) = (list.len() as u64, result.len() as u64);
        let request = Request::PutTest { action: action(1), output: Output { id: output(result), size }, inputs };
        session.send(request, &[list, result].concat());
        assert!(matches!(session.reply(), Reply::Stored { .. }), "it has it for itself");
    };
    session.put(1, b"# test log\n");
    let list = b"nix-gocacheprog test inputs 1 x\n";
    put_test(&mut session, list, b"ok  \tm\t1s\n");
    put_test(&mut session, b"no list", b"ok  \tm\t1s\n");
    put_test(&mut session, list, archive);
    put_test(&mut session, list, b"no archive");
    put_test(&mut session, list, b"!<arch>\nanother archive"); // the last one: nothing puts the first one back
    let third = daemon.register("third");
    assert_eq!(content(&third, Session::open(&third, "/go").get(1)), archive);
}

#[test]
fn a_test_log_is_shared_only_if_it_is_short() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    let log = [b"# test log\n".to_vec(), vec![b'x'; 300_000]].concat();
    Session::open(&one, "/go").put(1, &log);
    assert_eq!(Session::open(&two, "/go").get(1), Reply::Miss);
}

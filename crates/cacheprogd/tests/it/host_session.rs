use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proto::control::{Answer, Control, Descriptor, Envelope, Registration, Requester};
use proto::limits;
use proto::wire::{Hello, Toolchain, VERSION, Welcome, read_json_line, write_json_line};
use testkit::Daemon;

fn ask(daemon: &Daemon, request: Control) -> Answer {
    let stream = UnixStream::connect(daemon.dir.path().join("host.sock")).unwrap();
    write_json_line(&stream, &Envelope::new(request)).unwrap();
    read_json_line(&mut BufReader::new(stream), limits::CONTROL_ANSWER).unwrap()
}

fn session(daemon: &Daemon, name: &str) -> Answer {
    ask(daemon, Control::Register(Registration { derivation: name.to_owned(), ..Registration::default() }))
}

fn directory(daemon: &Daemon, name: &str) -> PathBuf {
    match session(daemon, name) {
        Answer::Registered { directory } => directory.into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_outside_of_sandboxes_gets_the_real_path_of_its_outputs() {
    let mut daemon = Daemon::start();
    let view = directory(&daemon, "one");
    for _ in 0..2 {
        let stream = UnixStream::connect(view.join("sock")).unwrap();
        write_json_line(&stream, &Hello::new(Toolchain::default())).unwrap();
        let welcome: Welcome = read_json_line(&mut BufReader::new(&stream), limits::HELLO_LINE).unwrap();
        assert_eq!(PathBuf::from(welcome.outputs), view.join("o"));
        daemon.stop();
        daemon.start_again(); // and so after a restart
    }
    assert_eq!(daemon.status().builds.live[0].name, "one");
}

#[test]
fn the_host_socket_registers_sessions_up_to_a_limit_per_user() {
    let daemon = Daemon::start();
    for request in [Control::Status, Control::Builds] {
        assert!(matches!(ask(&daemon, request), Answer::Error(e) if e.contains("only opens sessions")));
    }
    for n in 0..64 {
        directory(&daemon, &format!("session-{n}"));
    }
    assert!(matches!(session(&daemon, "one-more"), Answer::Error(e) if e.contains("session limit")));
    daemon.register("a-build"); // has room all the same
}

/// Sends a line as a user and returns the answer. Needs root, to be another user.
fn send_as(uid: u32, socket: &Path, line: &str) -> String {
    let text = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                s.sendall(sys.argv[2].encode()+b'\\n'); print(s.recv(9999).decode())";
    let mut python = Command::new("python3");
    python.args(["-c", text]).arg(socket).arg(line).uid(uid).gid(uid).stderr(Stdio::null());
    String::from_utf8(python.output().unwrap().stdout).unwrap()
}

/// Only the name is taken from the peer. The chroot would say that the session is over.
#[test]
fn a_session_says_neither_for_whom_it_is_nor_what_it_is() {
    let Some(daemon) = Daemon::start_for_other_users() else { return };
    let chroot = daemon.dir.path().join("chroot");
    std::fs::create_dir(&chroot).unwrap();
    let claimed = Registration {
        derivation: "claims".to_owned(),
        chroot: Some(chroot.to_str().unwrap().to_owned()),
        descriptors: vec![Descriptor::Chroot, Descriptor::Worker],
        requester: Requester::User { uid: 0, forwards: false },
        is_offline: true,
        goroots: Vec::new(),
    };
    let line = serde_json::to_string(&Envelope::new(Control::Register(claimed))).unwrap();
    assert!(send_as(4242, &daemon.dir.path().join("host.sock"), &line).contains("registered"));
    std::fs::remove_dir(&chroot).unwrap();
    let build = daemon.build("claims");
    assert_eq!((build.shared_with.as_str(), build.ended), ("user 4242", 0));
}

/// Needs root, to be another user.
#[test]
fn another_user_cannot_use_a_session() {
    let Some(daemon) = Daemon::start_for_other_users() else { return };
    let view = directory(&daemon, "roots");
    // By the mode of the socket everyone may: its owner's credentials decide.
    let hello = format!("{{\"version\":{VERSION},\"toolchain\":{{\"goroot\":\"/go\"}}}}");
    let tries = |uid: u32| send_as(uid, &view.join("sock"), &hello);
    assert!(tries(0).contains("outputs"));
    assert!(!tries(4242).contains("outputs"));
}

/// As in a container that was started without a session of its own: the kernel reports 0 for its leader. Needs a root that may
/// make namespaces.
#[test]
fn a_session_whose_leader_cannot_be_seen_is_served() {
    let alone = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--kill-child"]);
        unshare
    };
    if !alone().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return;
    }
    let mut again = alone();
    again.arg(std::env::current_exe().unwrap());
    again.args(["--exact", "host_session::a_session_outside_of_sandboxes_gets_the_real_path_of_its_outputs"]);
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

//! What those who only look may make the daemon do, and who waits for them.

use std::fs::{File, Permissions};
use std::io::{BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use proto::control::{Answer, Control, Envelope};
use proto::limits;
use proto::wire::{Hello, Reply, Request, Toolchain, read_json_line, write_json_line};

use crate::Session;
use crate::daemon::Daemon;

/// A build whose trace is a pipe now: making its account takes until the pipe has a writer, and that one is gone.
fn endless(daemon: &mut Daemon, name: &str) -> (String, std::path::PathBuf) {
    let view = daemon.register(name);
    let mut session = Session::open(&view, name);
    session.get(1);
    session.put(1, b"body");
    drop(session);
    daemon.stop();
    daemon.start_again(); // nothing waits to be written down
    let trace = view.parent().unwrap().join("trace");
    std::fs::rename(&trace, was(&trace)).unwrap();
    assert!(Command::new("mkfifo").arg(&trace).status().unwrap().success());
    let build = daemon.status().builds.live.into_iter().find(|build| build.name == name).unwrap();
    (build.short, trace)
}

/// What the pipe is in the place of.
fn was(trace: &Path) -> std::path::PathBuf {
    trace.with_extension("was")
}

fn asked(socket: &Path, build: &str) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    write_json_line(&stream, &Envelope::new(Control::BuildProfile { build: build.to_owned() })).unwrap();
    stream
}

fn answered(stream: UnixStream) -> Answer {
    read_json_line(&mut BufReader::new(stream), limits::CONTROL_ANSWER).unwrap()
}

/// Asks at the status socket as another user.
fn stranger(daemon: &Daemon, build: &str) -> Child {
    let text = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode()+b'\\n'); print(s.makefile().readline())";
    let request = serde_json::to_string(&Envelope::new(Control::BuildProfile { build: build.to_owned() })).unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", text]).arg(daemon.dir.path().join("status.sock")).arg(request).uid(4242).gid(4242);
    python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn told(stranger: Child) -> String {
    String::from_utf8(stranger.wait_with_output().unwrap().stdout).unwrap()
}

fn short(daemon: &Daemon, name: &str) -> String {
    let view = daemon.register(name);
    Session::greet(&view, &Hello::new(Toolchain { goroot: name.into(), ..Toolchain::default() })).get(1);
    daemon.status().builds.live.into_iter().find(|build| build.name == name).unwrap().short
}

#[test]
fn nobody_waits_for_the_account_of_another_build() {
    let mut daemon = Daemon::start();
    let (long, trace) = endless(&mut daemon, "long");
    let other = short(&daemon, "other");
    let waits = asked(&daemon.control(), &long);
    let mut pipe = File::options().write(true).open(trace).unwrap(); // it is being made
    assert!(matches!(answered(asked(&daemon.control(), &other)), Answer::Follows(_)));
    pipe.flush().unwrap();
    drop(pipe);
    assert!(matches!(answered(waits), Answer::Follows(_)));
}

/// Else 256 sessions of one build would hold up the end of every other build.
#[test]
fn a_build_that_is_told_why_it_misses_is_told_nothing_else_meanwhile() {
    let mut daemon = Daemon::start();
    let (_, trace) = endless(&mut daemon, "long");
    let open = || Session::open(&trace.with_file_name("view"), "long");
    let (mut first, mut second) = (open(), open());
    first.send(Request::Why, b"");
    let mut pipe = File::options().write(true).open(&trace).unwrap(); // it is being found out
    second.send(Request::Why, b"");
    assert_eq!(second.reply(), Reply::Why(String::new()));
    pipe.write_all(&std::fs::read(was(&trace)).unwrap()).unwrap();
    drop(pipe);
    let why = first.reply();
    assert!(matches!(&why, Reply::Why(text) if text.starts_with("1 misses: first build")), "{why:?}");
    second.send(Request::Why, b"");
    assert_eq!(second.reply(), why, "and later it is told again");
}

/// Needs root, to be another user.
#[test]
fn strangers_have_one_account_made_at_a_time_and_keep_root_not_waiting() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut daemon = Daemon::start();
    std::fs::set_permissions(daemon.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let (long, trace) = endless(&mut daemon, "long");
    let other = short(&daemon, "other");
    let waits = stranger(&daemon, &long);
    let pipe = File::options().write(true).open(trace).unwrap();
    let refused = told(stranger(&daemon, &other));
    assert!(refused.contains("ask again in a moment"), "{refused}");
    assert!(matches!(answered(asked(&daemon.control(), &other)), Answer::Follows(_)), "root waits for nobody");
    let last = told(stranger(&daemon, &other));
    assert!(last.contains("follows"), "what is there is shown: {last}");
    drop(pipe);
    assert!(told(waits).contains("follows"));
}

#[test]
fn an_account_is_made_once_where_the_build_asks_nothing_more() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").get(1);
    let build = daemon.status().builds.live[0].short.clone();
    assert!(matches!(answered(asked(&daemon.control(), &build)), Answer::Follows(_)));
    let account = view.parent().unwrap().join("account.json");
    // As if it had been made long ago.
    let made = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    File::options().write(true).open(&account).unwrap().set_modified(made).unwrap();
    assert!(matches!(answered(asked(&daemon.control(), &build)), Answer::Follows(_)));
    assert_eq!(std::fs::metadata(&account).unwrap().modified().unwrap(), made);
}

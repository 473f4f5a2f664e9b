//! How much work for build profiles unprivileged users may cause, and which other requests wait for that.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use proto::control::{Answer, Control, Envelope};
use proto::limits;
use proto::wire::{Hello, Reply, Request, Toolchain, read_json_line, write_json_line};
use testkit::{Daemon, Session};

/// A build whose trace is a pipe now: making its profile takes until the pipe has had a writer.
fn endless(daemon: &mut Daemon, name: &str) -> (String, std::path::PathBuf) {
    let view = daemon.register(name);
    let mut session = Session::open(&view, name);
    session.get(1);
    session.put(1, b"body");
    drop(session);
    daemon.stop();
    daemon.start_again(); // so that nothing of the trace is buffered
    let trace = view.parent().unwrap().join("trace");
    std::fs::rename(&trace, was(&trace)).unwrap();
    assert!(Command::new("mkfifo").arg(&trace).status().unwrap().success());
    let build = daemon.status().builds.live.into_iter().find(|build| build.name == name).unwrap();
    (build.short, trace)
}

/// The trace that the pipe replaced.
fn was(trace: &Path) -> std::path::PathBuf {
    trace.with_extension("was")
}

fn ask(socket: &Path, build: &str) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    write_json_line(&stream, &Envelope::new(Control::BuildProfile { build: build.to_owned() })).unwrap();
    stream
}

fn answer(stream: UnixStream) -> Answer {
    read_json_line(&mut BufReader::new(stream), limits::CONTROL_ANSWER).unwrap()
}

/// Asks for a profile at the status socket as another user.
fn ask_as_other_user(daemon: &Daemon, build: &str) -> Child {
    let text = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode()+b'\\n'); print(s.makefile().readline())";
    let request = serde_json::to_string(&Envelope::new(Control::BuildProfile { build: build.to_owned() })).unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", text]).arg(daemon.dir.path().join("status.sock")).arg(request).uid(4242).gid(4242);
    python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn answer_of(child: Child) -> String {
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn short(daemon: &Daemon, name: &str) -> String {
    let view = daemon.register(name);
    Session::greet(&view, &Hello::new(Toolchain { goroot: name.into(), ..Toolchain::default() })).get(1);
    daemon.status().builds.live.into_iter().find(|build| build.name == name).unwrap().short
}

#[test]
fn no_request_waits_for_the_profile_of_another_build() {
    let mut daemon = Daemon::start();
    let (long, trace) = endless(&mut daemon, "long");
    let other = short(&daemon, "other");
    let waits = ask(&daemon.control(), &long);
    let mut pipe = File::options().write(true).open(trace).unwrap(); // it is being made
    assert!(matches!(answer(ask(&daemon.control(), &other)), Answer::Follows(_)));
    pipe.flush().unwrap();
    drop(pipe);
    assert!(matches!(answer(waits), Answer::Follows(_)));
}

/// Else 256 sessions of one build would hold up the end of every other build.
#[test]
fn a_second_session_that_asks_why_meanwhile_gets_an_empty_answer() {
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
    assert_eq!(second.reply(), why, "and later it is answered again");
}

/// Needs root, to be another user.
#[test]
fn unprivileged_users_have_one_profile_made_at_a_time_and_root_does_not_wait() {
    let Some(mut daemon) = Daemon::start_for_other_users() else { return };
    let (long, trace) = endless(&mut daemon, "long");
    let other = short(&daemon, "other");
    let waits = ask_as_other_user(&daemon, &long);
    let pipe = File::options().write(true).open(trace).unwrap();
    let refused = answer_of(ask_as_other_user(&daemon, &other));
    assert!(refused.contains("ask again in a moment"), "{refused}");
    assert!(matches!(answer(ask(&daemon.control(), &other)), Answer::Follows(_)), "root does not wait");
    let last = answer_of(ask_as_other_user(&daemon, &other));
    assert!(last.contains("follows"), "an existing profile is shown: {last}");
    drop(pipe);
    assert!(answer_of(waits).contains("follows"));
}

#[test]
fn a_profile_is_made_once_while_the_build_asks_nothing_more() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").get(1);
    let build = daemon.status().builds.live[0].short.clone();
    assert!(matches!(answer(ask(&daemon.control(), &build)), Answer::Follows(_)));
    let file = view.parent().unwrap().join("account.json");
    // As if it had been made long ago.
    let made = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    File::options().write(true).open(&file).unwrap().set_modified(made).unwrap();
    assert!(matches!(answer(ask(&daemon.control(), &build)), Answer::Follows(_)));
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), made);
}

/// As a build under the daemon's own user could put it there, which this test is.
#[test]
fn what_stands_in_the_place_of_an_output_holds_up_no_profile_and_leads_nowhere() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    let secret = daemon.dir.path().join("secret");
    std::fs::write(&secret, "ok  \tsecret\t1s\n").unwrap();
    for (n, body) in [(1, b"pipe"), (2, b"link")] {
        session.put(n, body);
        let path = view.join("o").join(testkit::output(body).to_string());
        std::fs::remove_file(&path).unwrap();
        match n {
            1 => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
            _ => std::os::unix::fs::symlink(&secret, &path).unwrap(),
        }
    }
    let asked = ask(&daemon.control(), &daemon.build("one").short);
    let mut answer = BufReader::new(asked);
    let follows = read_json_line::<Answer>(&mut answer, limits::CONTROL_ANSWER);
    assert!(matches!(follows, Ok(Answer::Follows(_))), "{follows:?}");
    let mut profile = String::new();
    answer.read_to_string(&mut profile).unwrap();
    assert!(!profile.contains("secret"), "{profile}");
}

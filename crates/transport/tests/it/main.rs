//! Against daemons that are scripted here.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the daemon's part")]

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use proto::control::{Answer, Control, Envelope};
use proto::wire::{Hello, Reply, Request, Toolchain, VERSION, Welcome, read_json_line, write_json_line};
use proto::{ActionId, Output, OutputId, limits};
use transport::{ConnectError, HELLO_TIMEOUT, ask, dial, open};

/// A socket, and a daemon in a thread that serves one connection so.
fn daemon<T: Send + 'static>(
    serve: impl FnOnce(UnixStream) -> T + Send + 'static,
) -> (tempfile::TempDir, PathBuf, JoinHandle<T>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = thread::spawn(move || serve(listener.accept().unwrap().0));
    (dir, path, thread)
}

/// A daemon of this version that welcomes to this directory, or refuses.
fn welcoming(version: u32, outputs: &str, error: Option<&str>) -> Result<String, ConnectError> {
    let welcome = Welcome { version, outputs: outputs.to_owned(), error: error.map(str::to_owned) };
    let (_dir, path, thread) = daemon(move |stream| {
        let hello: Hello = read_json_line(&mut BufReader::new(&stream), limits::HELLO_LINE).unwrap();
        write_json_line(&stream, &welcome).unwrap();
        hello
    });
    let opened = open(&path, &Hello::new(Toolchain { goroot: "/go".into(), ..Toolchain::default() }));
    assert_eq!(thread.join().unwrap().toolchain.goroot, "/go");
    opened.map(|connection| connection.outputs)
}

#[test]
fn hello_finds_out_where_outputs_are() {
    assert_eq!(welcoming(VERSION, "/gocache/o", None).unwrap(), "/gocache/o");
}

#[test]
fn a_daemon_of_another_version_or_one_that_refuses_is_none() {
    for version in [VERSION - 1, VERSION + 1] {
        let refused = welcoming(version, "/gocache/o", None);
        assert!(matches!(refused, Err(ConnectError::Version { daemon }) if daemon == version), "{version}");
    }
    assert!(matches!(welcoming(VERSION, "o", None), Err(ConnectError::Refused(_))), "a directory of nowhere");
    let Err(ConnectError::Refused(why)) = welcoming(VERSION, "", Some("not you")) else { panic!("opened") };
    assert_eq!(why, "not you");
}

#[test]
fn a_full_queue_is_found_at_once_and_is_unresponsive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    // A queue of one: the kernel holds one more connection than it is told to (`unix(7)`, listen(2)).
    rustix::net::listen(&listener, 0).unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        match dial(&path, HELLO_TIMEOUT) {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10_000, "the queue has no end");
    };
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    assert!(open(&path, &Hello::new(Toolchain::default())).unwrap_err().is_unresponsive());
}

#[test]
fn no_daemon_at_the_socket_is_not_an_unresponsive_one() {
    let dir = tempfile::tempdir().unwrap();
    let error = open(&dir.path().join("sock"), &Hello::new(Toolchain::default())).unwrap_err();
    assert!(matches!(&error, ConnectError::Connect(e) if e.kind() == ErrorKind::NotFound), "{error:?}");
    assert!(!error.is_unresponsive());
}

#[test]
fn a_daemon_that_says_nothing_is_given_up() {
    let (_dir, path, thread) = daemon(|mut stream| stream.read_to_end(&mut Vec::new()).unwrap());
    assert!(open(&path, &Hello::new(Toolchain::default())).unwrap_err().is_unresponsive());
    thread.join().unwrap();
}

#[test]
fn a_body_in_a_file_is_sent_whole_and_a_file_cut_short_is_an_error() {
    let body: Vec<u8> = (0..3_000_001u32).map(|i| (i % 251) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&body).unwrap();
    let exchange = |file: &File, size: u64| {
        let (_dir, path, thread) = daemon(move |stream| {
            let mut input = BufReader::new(&stream);
            read_json_line::<Hello>(&mut input, limits::HELLO_LINE).unwrap();
            write_json_line(&stream, &Welcome { version: VERSION, outputs: "/o".into(), error: None }).unwrap();
            let (id, request) = Request::read(&mut input).unwrap().unwrap();
            let mut body = Vec::new();
            input.take(size).read_to_end(&mut body).unwrap();
            let mut frame = Vec::new();
            Reply::Miss.write(id, &mut frame);
            drop((&stream).write_all(&frame)); // whose file was cut is gone
            (request, body)
        });
        let connection = open(&path, &Hello::new(Toolchain::default())).unwrap();
        let put = Request::Put { action: ActionId([1; 32]), output: Output { id: OutputId([2; 32]), size } };
        let reply = connection.exchange(&put, Some((file, size)));
        drop(connection);
        (reply, thread.join().unwrap(), put)
    };
    let (reply, (request, sent), put) = exchange(&file, body.len() as u64);
    assert_eq!((reply.unwrap(), request), (Reply::Miss, put));
    assert!(sent == body);
    let (reply, (_, sent), _) = exchange(&file, body.len() as u64 + 1);
    assert!(reply.is_err());
    assert!(sent == body, "all that there was");
}

#[test]
fn a_question_takes_descriptors_along_and_its_answer_is_read_though_the_question_was_not_taken() {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let (_dir, path, thread) = daemon(|stream| {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut line = vec![0; 4096];
        let received =
            recvmsg(&stream, &mut [std::io::IoSliceMut::new(&mut line)], &mut ancillary, RecvFlags::empty()).unwrap();
        line.truncate(received.bytes);
        let mut fds: Vec<OwnedFd> = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        write_json_line(&stream, &Answer::Follows(3)).unwrap();
        (&stream).write_all(b"abc").unwrap();
        (serde_json::from_slice::<Envelope>(&line).unwrap(), fds.len())
    });
    let fds: Vec<OwnedFd> = (0..2).map(|_| File::open("/dev/null").unwrap().into()).collect();
    let (answer, mut rest) = ask(dial(&path, Duration::from_secs(10)).unwrap(), Control::Builds, &fds).unwrap();
    let mut after = String::new();
    rest.read_to_string(&mut after).unwrap();
    assert_eq!((answer, after.as_str()), (Answer::Follows(3), "abc"));
    assert_eq!(thread.join().unwrap(), (Envelope::new(Control::Builds), 2));

    // Refused before it asked: the daemon has closed its end for reading.
    let (ours, theirs) = UnixStream::pair().unwrap();
    write_json_line(&theirs, &Answer::Error("not you".into())).unwrap();
    drop(theirs);
    assert_eq!(ask(ours, Control::Builds, &[]).unwrap().0, Answer::Error("not you".into()));
}

//! A client's side of a session with the daemon, and the ids of test objects.

use std::collections::{HashMap, VecDeque};
use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use proto::wire::{Hello, Reply, Request, Toolchain, VERSION, Welcome, read_json_line, write_json_line};
use proto::{ActionId, Condition, Output, OutputId, limits};
use sha2::{Digest, Sha256};

/// An action id.
#[must_use]
pub fn action(n: u8) -> ActionId {
    ActionId([n; 32])
}

/// The output id of a body.
#[must_use]
pub fn output(body: &[u8]) -> OutputId {
    OutputId(Sha256::digest(body).into())
}

/// The bytes that a hit leads to.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "replies come from calls")]
pub fn content(view: &Path, reply: Reply) -> Vec<u8> {
    let Reply::Hit { output: Output { id, size }, .. } = reply else { panic!("no hit: {reply:?}") };
    let bytes = std::fs::read(view.join("o").join(id.to_string())).unwrap();
    assert_eq!(bytes.len() as u64, size);
    bytes
}

/// A session of a build.
#[derive(Debug)]
pub struct Session {
    /// The connection, for bytes that are no request.
    pub stream: UnixStream,
    answers: BufReader<UnixStream>,
    /// Requests without a reply, in the order in which they were sent.
    waiting: VecDeque<u32>,
    /// Replies to requests that were sent after one that has none yet.
    early: HashMap<u32, Reply>,
    next: u32,
}

impl Session {
    /// Connects to the build whose directory is `view`, as a toolchain at `goroot` with one GOCACHE.
    #[must_use]
    pub fn open(view: &Path, goroot: &str) -> Self {
        let hello = Hello::new(Toolchain { goroot: goroot.into(), ..Toolchain::default() });
        Self::greet(view, &Hello { gocache: "8:1".to_owned(), ..hello })
    }

    /// Connects with this hello.
    #[must_use]
    pub fn greet(view: &Path, hello: &Hello) -> Self {
        let stream = UnixStream::connect(view.join("sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write_json_line(&stream, hello).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let welcome: Welcome = read_json_line(&mut answers, limits::HELLO_LINE).unwrap();
        assert_eq!((welcome.version, welcome.outputs.as_str(), welcome.error), (VERSION, "/gocache/o", None));
        Self { stream, answers, waiting: VecDeque::new(), early: HashMap::new(), next: 0 }
    }

    /// Sends a request that is answered. Returns its id.
    pub fn send(&mut self, request: Request, body: &[u8]) -> u32 {
        self.next += 1;
        self.tell(self.next, request, body);
        self.waiting.push_back(self.next);
        self.next
    }

    /// Sends a request that is not answered.
    #[expect(clippy::needless_pass_by_value, reason = "requests are made in calls")]
    pub fn tell(&mut self, id: u32, request: Request, body: &[u8]) {
        let mut frame = Vec::new();
        request.write(id, &mut frame);
        frame.extend_from_slice(body);
        self.stream.write_all(&frame).unwrap();
    }

    /// The reply to the oldest request that has none.
    pub fn reply(&mut self) -> Reply {
        let id = self.waiting.pop_front().unwrap();
        while !self.early.contains_key(&id) {
            let (of, reply) = self.next_reply();
            assert!(of == id || self.waiting.contains(&of), "a reply to nothing: {of}");
            assert!(self.early.insert(of, reply).is_none(), "answered twice");
        }
        self.early.remove(&id).unwrap()
    }

    /// The next reply, and to which request it is.
    pub fn next_reply(&mut self) -> (u32, Reply) {
        Reply::read(&mut self.answers).unwrap().unwrap()
    }

    /// Gets an action.
    pub fn get(&mut self, n: u8) -> Reply {
        self.send(Request::Get { action: action(n) }, b"");
        self.reply()
    }

    /// Puts a body.
    pub fn put(&mut self, n: u8, body: &[u8]) -> Reply {
        self.send(
            Request::Put { action: action(n), output: Output { id: output(body), size: body.len() as u64 } },
            body,
        );
        self.reply()
    }

    /// Puts a body for this build and its GOCACHE alone.
    pub fn put_private(&mut self, n: u8, body: &[u8]) -> Reply {
        let output = Output { id: output(body), size: body.len() as u64 };
        self.send(Request::PutPrivate { action: action(n), output }, body);
        self.reply()
    }

    /// Shares what was put so, and waits until it is.
    pub fn share(&mut self, n: u8, body: &[u8], condition: Option<Condition>) {
        self.tell(0, Request::Share { action: action(n), output: output(body), condition }, b"");
        self.wait_for_notices();
    }

    /// Waits until notices, which have no reply, were read: a request that was sent after them is answered after them.
    pub fn wait_for_notices(&mut self) {
        self.send(Request::Summary, b"");
        self.reply();
    }

    /// Whether the daemon ended the session.
    pub fn is_over(&mut self) -> bool {
        matches!(self.answers.read(&mut [0; 64]), Ok(0) | Err(_))
    }
}

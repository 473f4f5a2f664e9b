//! The daemon as a process, spoken to over its sockets. Each test has a daemon of its own.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the parts of Nix, of clients and of vandals")]

mod crowd; // many, slow and silent connections
mod daemon; // the daemon under test
mod eviction; // what is kept, and what goes
mod figures; // what is counted, and how it is told
mod host; // go commands outside of sandboxes
mod hostile; // what a build may try, and what it may not reach
mod lifecycle; // start, restart, stop
mod offers; // what is served under a condition
mod seeing; // what others are told of builds
mod serving; // gets and puts, and who sees what
mod slow; // an object that has to be read before it is served
mod strangers; // what those who only look may cause

use std::collections::{HashMap, VecDeque};
use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use proto::wire::{Hello, Reply, Request, Toolchain, VERSION, Welcome, read_json_line, write_json_line};
use proto::{ActionId, OutputId, limits};
use sha2::{Digest, Sha256};

fn action(n: u8) -> ActionId {
    ActionId([n; 32])
}

fn output(body: &[u8]) -> OutputId {
    OutputId(Sha256::digest(body).into())
}

/// A client's side of a session.
struct Session {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
    /// Requests without a reply, in the order in which they were sent.
    asked: VecDeque<u32>,
    /// Replies to requests that were sent after one that has none yet.
    early: HashMap<u32, Reply>,
    next: u32,
}

impl Session {
    /// Connects to the build whose directory is `view`, as a toolchain at `goroot`.
    fn open(view: &Path, goroot: &str) -> Self {
        Self::greet(view, &Hello::new(Toolchain { goroot: goroot.into(), ..Toolchain::default() }))
    }

    fn greet(view: &Path, hello: &Hello) -> Self {
        let stream = UnixStream::connect(view.join("sock")).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        write_json_line(&stream, hello).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let welcome: Welcome = read_json_line(&mut answers, limits::HELLO_LINE).unwrap();
        assert_eq!((welcome.version, welcome.outputs.as_str(), welcome.error), (VERSION, "/gocache/o", None));
        Self { stream, answers, asked: VecDeque::new(), early: HashMap::new(), next: 0 }
    }

    /// Sends a request that is answered; its id.
    fn send(&mut self, request: Request, body: &[u8]) -> u32 {
        self.next += 1;
        self.tell(self.next, request, body);
        self.asked.push_back(self.next);
        self.next
    }

    /// Sends what is not answered.
    #[expect(clippy::needless_pass_by_value, reason = "requests are made in calls")]
    fn tell(&mut self, id: u32, request: Request, body: &[u8]) {
        let mut frame = Vec::new();
        request.write(id, &mut frame);
        frame.extend_from_slice(body);
        self.stream.write_all(&frame).unwrap();
    }

    /// The reply to the oldest request that had none.
    fn reply(&mut self) -> Reply {
        let id = self.asked.pop_front().unwrap();
        while !self.early.contains_key(&id) {
            let (of, reply) = self.next_reply();
            assert!(of == id || self.asked.contains(&of), "a reply to nothing: {of}");
            assert!(self.early.insert(of, reply).is_none(), "answered twice");
        }
        self.early.remove(&id).unwrap()
    }

    /// Whatever reply comes next, and to which request.
    fn next_reply(&mut self) -> (u32, Reply) {
        Reply::read(&mut self.answers).unwrap().unwrap()
    }

    fn get(&mut self, n: u8) -> Reply {
        self.send(Request::Get { action: action(n) }, b"");
        self.reply()
    }

    fn put(&mut self, n: u8, body: &[u8]) -> Reply {
        self.send(Request::Put { action: action(n), output: output(body), size: body.len() as u64 }, body);
        self.reply()
    }

    /// Whether the daemon ended the session.
    fn is_over(&mut self) -> bool {
        matches!(self.answers.read(&mut [0; 64]), Ok(0) | Err(_))
    }
}

/// The bytes a hit leads to.
#[expect(clippy::needless_pass_by_value, reason = "replies come from calls")]
fn content(view: &Path, reply: Reply) -> Vec<u8> {
    let Reply::Hit { output, size, .. } = reply else { panic!("no hit: {reply:?}") };
    let bytes = std::fs::read(view.join("o").join(output.to_string())).unwrap();
    assert_eq!(bytes.len() as u64, size);
    bytes
}

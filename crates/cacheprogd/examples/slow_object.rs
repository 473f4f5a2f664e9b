//! What a large object that must be read first costs the requests beside it: a daemon is killed, so that what it stored last may not
//! have reached the disk; then one client asks for a large object and, before that is answered, for small ones.
//!
//!     cargo run --example slow_object -- DIR [MIB] [ROUNDS]
//!
//! DIR has `cacheprogd` and `cacheprog-client`, of any version: the client is spoken to as cmd/go does. TMPDIR is where the store is.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for measuring, which ends where something fails")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

const SMALL: usize = 100;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let bin = PathBuf::from(arguments.next().unwrap());
    let mut number = |default| arguments.next().map_or(default, |text| text.parse().unwrap());
    let (mib, rounds): (usize, usize) = (number(500), number(3));
    for _ in 0..rounds {
        round(&bin, mib);
    }
}

fn round(bin: &Path, mib: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = serve(bin, dir.path());
    let mut client = Client::start(bin, &register(dir.path(), "puts"), dir.path());
    client.put(0, &body(0, mib << 20));
    (1..=SMALL).for_each(|n| client.put(n, &body(n, n * 1000)));
    drop(client);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let mut daemon = serve(bin, dir.path());
    let mut client = Client::start(bin, &register(dir.path(), "gets"), dir.path());
    let began = Instant::now();
    let large = client.ask(0);
    let small: HashMap<i64, Instant> = (1..=SMALL).map(|n| (client.ask(n), Instant::now())).collect();
    let (mut took, mut hits, mut whole) = (Vec::new(), 0, (Duration::ZERO, false));
    for _ in 0..=SMALL {
        let answer = client.answer();
        let is_hit = answer["Miss"] != true;
        match small.get(&answer["ID"].as_i64().unwrap()) {
            Some(asked) => {
                took.push(asked.elapsed());
                hits += usize::from(is_hit);
            }
            None => {
                assert_eq!(answer["ID"], large);
                whole = (began.elapsed(), is_hit);
            }
        }
    }
    let (whole, is_hit) = whole;
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    took.sort_unstable();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!(
        "large: {} after {whole:.1?}; {SMALL} small: p50 {:.2?}, p99 {:.2?}, {hits} hits; load {}",
        if is_hit { "hit" } else { "miss" },
        took[SMALL / 2],
        took[SMALL * 99 / 100 - 1],
        load.split(' ').next().unwrap()
    );
}

fn body(n: usize, size: usize) -> Vec<u8> {
    let mut state = n as u64 + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..size / 8).flat_map(|_| next().to_le_bytes()).collect()
}

fn serve(bin: &Path, dir: &Path) -> Child {
    let control = dir.join("control.sock");
    drop(std::fs::remove_file(&control));
    let child = Command::new(bin.join("cacheprogd"))
        .args(["serve", "--config", "/dev/null", "--control-socket"])
        .arg(&control)
        .arg("--state-dir")
        .arg(dir.join("state"))
        .arg("--host-socket")
        .arg(dir.join("host.sock"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while UnixStream::connect(&control).is_err() {
        thread::sleep(Duration::from_millis(5));
    }
    child
}

/// A session outside of sandboxes, which needs no mount; its socket.
fn register(dir: &Path, name: &str) -> PathBuf {
    let ask = |version: u32| {
        let request = serde_json::json!({"version": version, "request": {"register": {"derivation": name}}});
        let mut stream = UnixStream::connect(dir.join("host.sock")).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["registered"]["directory"].as_str().map(PathBuf::from)
    };
    (1..=proto::wire::VERSION).rev().find_map(ask).unwrap().join("sock")
}

/// A client, and cmd/go's side of it.
struct Client {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    next: i64,
}

impl Client {
    fn start(bin: &Path, socket: &Path, dir: &Path) -> Self {
        let mut child = Command::new(bin.join("cacheprog-client"))
            .env("NIX_GOCACHEPROG_SOCKET", socket)
            .env("GOCACHE", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (requests, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut client = Self { child, requests, answers, next: 0 };
        client.answer(); // hello
        client
    }

    fn ask(&mut self, action: usize) -> i64 {
        self.next += 1;
        let request = format!("{{\"ID\":{},\"Command\":\"get\",\"ActionID\":\"{}\"}}\n\n", self.next, key(action));
        self.requests.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
        self.next
    }

    fn put(&mut self, action: usize, body: &[u8]) {
        self.next += 1;
        let output = STANDARD.encode_to_string(Sha256::digest(body));
        let request = format!(
            "{{\"ID\":{},\"Command\":\"put\",\"ActionID\":\"{}\",\"OutputID\":\"{output}\",\"BodySize\":{}}}\n\n\"{}\"\n",
            self.next,
            key(action),
            body.len(),
            STANDARD.encode_to_string(body)
        );
        self.requests.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
        assert_eq!(self.answer()["ID"], self.next);
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.requests.take());
        self.child.wait().unwrap();
    }
}

fn key(action: usize) -> String {
    STANDARD.encode_to_string(Sha256::digest(action.to_le_bytes()))
}

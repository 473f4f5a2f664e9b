//! cmd/go's side of the protocol: starts a client, asks, and checks each answer.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64_simd::STANDARD;
use proto::{ActionId, OutputId};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A client and what it was asked.
#[derive(Debug)]
pub struct Player {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    id: i64,
}

impl Player {
    /// Starts the client with its GOCACHE at `gocache` and reads its hello.
    pub fn start(client: &Path, socket: (&str, &Path), gocache: &Path) -> Self {
        fs::create_dir_all(gocache).unwrap();
        let mut child = Command::new(client)
            .env_clear()
            .env("GOCACHE", gocache)
            .env("GOROOT", "/nowhere/go")
            .env(socket.0, socket.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut player = Self { child, stdin, answers: BufReader::new(stdout), id: 0 };
        assert_eq!(player.read()["ID"], 0);
        player
    }

    /// Gets: the bytes of a hit, which are those that it names.
    pub fn get(&mut self, action: &ActionId) -> Option<Vec<u8>> {
        self.id += 1;
        let line = format!(
            "{{\"ID\":{},\"Command\":\"get\",\"ActionID\":\"{}\"}}\n\n",
            self.id,
            STANDARD.encode_to_string(action.0)
        );
        let answer = self.ask(line.as_bytes());
        if answer["Miss"] == true {
            return None;
        }
        let read = fs::read(answer["DiskPath"].as_str().unwrap());
        let bytes = read.unwrap_or_else(|e| panic!("{e}: {answer}"));
        assert_eq!(answer["OutputID"], STANDARD.encode_to_string(Sha256::digest(&bytes)), "{answer}");
        Some(bytes)
    }

    /// Puts, and finds the bytes where the answer says.
    pub fn put(&mut self, action: &ActionId, body: &[u8]) {
        self.id += 1;
        let [action, output] =
            [action.0, OutputId(Sha256::digest(body).into()).0].map(|id| STANDARD.encode_to_string(id));
        let mut line = format!(
            "{{\"ID\":{},\"Command\":\"put\",\"ActionID\":\"{action}\",\"OutputID\":\"{output}\",\"BodySize\":{}}}\n\n",
            self.id,
            body.len()
        );
        if !body.is_empty() {
            line += &format!("\"{}\"\n", STANDARD.encode_to_string(body));
        }
        let answer = self.ask(line.as_bytes());
        let read = fs::read(answer["DiskPath"].as_str().unwrap());
        assert!(read.unwrap_or_else(|e| panic!("{e}: {answer}")) == body, "{answer}");
    }

    /// There is no more to come: the client ends by itself.
    pub fn finish(mut self) {
        drop(self.stdin.take());
        let mut rest = String::new();
        assert_eq!(self.answers.read_line(&mut rest).unwrap(), 0, "{rest}");
        assert!(self.child.wait().unwrap().success());
    }

    fn ask(&mut self, request: &[u8]) -> Value {
        self.stdin.as_mut().unwrap().write_all(request).unwrap();
        let answer = self.read();
        assert_eq!(answer["ID"], self.id, "{answer}");
        assert_eq!(answer["Err"], Value::Null, "{answer}");
        answer
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the client ended early");
        serde_json::from_str(&line).unwrap()
    }
}

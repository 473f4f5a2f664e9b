//! cmd/go's side of the protocol: starts a client, sends requests, and checks each response.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64_simd::STANDARD;
use proto::{ActionId, OutputId};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A client process, and the id of its last request.
#[derive(Debug)]
pub struct FakeGo {
    child: Child,
    stdin: Option<ChildStdin>,
    responses: BufReader<ChildStdout>,
    id: i64,
}

impl FakeGo {
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
        let mut go = Self { child, stdin, responses: BufReader::new(stdout), id: 0 };
        assert_eq!(go.read()["ID"], 0);
        go
    }

    /// Gets an action: the bytes of a hit, which have the hash of its output id.
    pub fn get(&mut self, action: &ActionId) -> Option<Vec<u8>> {
        self.id += 1;
        let line = format!(
            "{{\"ID\":{},\"Command\":\"get\",\"ActionID\":\"{}\"}}\n\n",
            self.id,
            STANDARD.encode_to_string(action.0)
        );
        let response = self.request(line.as_bytes());
        if response["Miss"] == true {
            return None;
        }
        let read = fs::read(response["DiskPath"].as_str().unwrap());
        let bytes = read.unwrap_or_else(|e| panic!("{e}: {response}"));
        assert_eq!(response["OutputID"], STANDARD.encode_to_string(Sha256::digest(&bytes)), "{response}");
        Some(bytes)
    }

    /// Puts a body, and finds it at the path of the response.
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
        let response = self.request(line.as_bytes());
        let read = fs::read(response["DiskPath"].as_str().unwrap());
        assert!(read.unwrap_or_else(|e| panic!("{e}: {response}")) == body, "{response}");
    }

    /// Closes standard input: the client ends by itself.
    pub fn finish(mut self) {
        drop(self.stdin.take());
        let mut rest = String::new();
        assert_eq!(self.responses.read_line(&mut rest).unwrap(), 0, "{rest}");
        assert!(self.child.wait().unwrap().success());
    }

    fn request(&mut self, request: &[u8]) -> Value {
        self.stdin.as_mut().unwrap().write_all(request).unwrap();
        let response = self.read();
        assert_eq!(response["ID"], self.id, "{response}");
        assert_eq!(response["Err"], Value::Null, "{response}");
        response
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.responses.read_line(&mut line).unwrap(), 0, "the client ended early");
        serde_json::from_str(&line).unwrap()
    }
}

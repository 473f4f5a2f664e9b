use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64_simd::STANDARD;
use serde_json::Value;

use crate::output;

/// An action: 32 times the same byte, or these bytes.
pub(crate) trait Action {
    fn id(self) -> [u8; 32];
}

impl Action for u8 {
    fn id(self) -> [u8; 32] {
        [self; 32]
    }
}

impl Action for [u8; 32] {
    fn id(self) -> Self {
        self
    }
}

/// A client under test, and cmd/go's state.
pub(crate) struct Go {
    child: Child,
    stdin: Option<ChildStdin>,
    /// `None` after the reading has stopped.
    answers: Option<BufReader<ChildStdout>>,
    early: HashMap<i64, Value>,
    next: i64,
}

impl Go {
    /// Starts the client with GOCACHE in `dir` and reads its hello.
    pub(crate) fn start(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::start_in(dir, dir, args, env)
    }

    /// The same, in the directory `cwd`.
    pub(crate) fn start_in(dir: &Path, cwd: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cacheprog-client"));
        command.args(args);
        Self::spawn(command, dir, cwd, env)
    }

    /// The same, with a parent process that is called `go`, as that of a go command with these arguments.
    pub(crate) fn start_as_go(dir: &Path, cwd: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let command = as_go(cwd, "$CLIENT; exit $?", arguments);
        Self::spawn(command, dir, cwd, &[&[("CLIENT", env!("CARGO_BIN_EXE_cacheprog-client"))], env].concat())
    }

    /// The same as another user, who has to reach all of it; `$CLIENT` is in `env`.
    pub(crate) fn start_as_user(uid: u32, dir: &Path, cwd: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        // The client opens its output again, which has to be the user's.
        let mut command = as_go(cwd, "$CLIENT | cat", arguments);
        command.uid(uid).gid(uid);
        Self::spawn(command, dir, cwd, env)
    }

    fn spawn(mut command: Command, dir: &Path, cwd: &Path, env: &[(&str, &str)]) -> Self {
        let gocache = dir.join("gocache");
        std::fs::create_dir_all(gocache.join("00")).unwrap(); // and 255 more
        let mut child = command
            .current_dir(cwd)
            .env_clear()
            .env("GOCACHE", &gocache)
            .env("GOROOT", "/usr/local/go")
            .env("TMPDIR", dir)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut go = Self { child, stdin, answers: Some(BufReader::new(stdout)), early: HashMap::new(), next: 0 };
        let hello = go.read();
        assert_eq!(hello, serde_json::json!({"ID": 0, "KnownCommands": ["get", "put"]}));
        go
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn ask_get(&mut self, action: impl Action) -> i64 {
        self.next += 1;
        let id = STANDARD.encode_to_string(action.id());
        self.raw(format!("{{\"ID\":{},\"Command\":\"get\",\"ActionID\":\"{id}\"}}\n\n", self.next).as_bytes());
        self.next
    }

    pub(crate) fn ask_put(&mut self, action: impl Action, body: &[u8]) -> i64 {
        self.next += 1;
        let (id, hash) = (STANDARD.encode_to_string(action.id()), output(body).to_base64());
        let mut text =
            format!("{{\"ID\":{},\"Command\":\"put\",\"ActionID\":\"{id}\",\"OutputID\":\"{hash}\"", self.next);
        if body.is_empty() {
            text += "}\n\n";
        } else {
            text += &format!(",\"BodySize\":{}}}\n\n\"{}\"\n", body.len(), STANDARD.encode_to_string(body));
        }
        self.raw(text.as_bytes());
        self.next
    }

    /// The answer to a request; others may come before it.
    pub(crate) fn answer(&mut self, id: i64) -> Value {
        while !self.early.contains_key(&id) {
            let answer = self.read();
            let of = answer["ID"].as_i64().unwrap();
            assert!((1..=self.next).contains(&of), "{answer}");
            assert!(self.early.insert(of, answer).is_none(), "answered twice");
        }
        self.early.remove(&id).unwrap()
    }

    /// Gets; the bytes of a hit, checked as cmd/go does.
    pub(crate) fn get(&mut self, action: impl Action) -> Option<Vec<u8>> {
        let id = self.ask_get(action);
        let answer = self.answer(id);
        assert_eq!(answer["Err"], Value::Null, "{answer}");
        if answer["Miss"] == true {
            return None;
        }
        let bytes = std::fs::read(answer["DiskPath"].as_str().unwrap()).unwrap();
        assert_eq!(answer["Size"], bytes.len());
        assert_eq!(answer["OutputID"], output(&bytes).to_base64());
        assert!(humantime(&answer["Time"]), "{answer}");
        Some(bytes)
    }

    /// Puts; the path, which holds the body.
    pub(crate) fn put(&mut self, action: impl Action, body: &[u8]) -> String {
        let id = self.ask_put(action, body);
        let path = self.stored(id);
        assert_eq!(std::fs::read(&path).unwrap(), body, "{path}");
        path
    }

    /// The path in the answer to a put.
    pub(crate) fn stored(&mut self, id: i64) -> String {
        let answer = self.answer(id);
        assert_eq!(answer["Err"], Value::Null, "{answer}");
        let path = answer["DiskPath"].as_str().unwrap().to_owned();
        assert!(path.starts_with('/') && !path.rsplit('/').next().unwrap().contains('.'), "{path}");
        path
    }

    /// cmd/go closes its end: no more requests follow.
    pub(crate) fn close_input(&mut self) {
        drop(self.stdin.take());
    }

    /// cmd/go does not read answers any more.
    pub(crate) fn stop_reading(&mut self) {
        drop(self.answers.take());
    }

    /// cmd/go has ended: the client's exit code, and its standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (self.child.wait().unwrap().code(), error)
    }

    /// cmd/go ends: the client must end too, and print nothing.
    pub(crate) fn finish(mut self) {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.answers.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert_eq!(error, "", "cmd/go passes this on to the user");
        assert!(self.early.is_empty(), "answered twice: {:?}", self.early);
        self.child.wait().unwrap();
    }

    /// Requests up to this id were sent by hand.
    pub(crate) fn expect_ids(&mut self, upto: i64) {
        self.next = self.next.max(upto);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.answers.as_mut().unwrap().read_line(&mut line).unwrap(), 0, "exited pre-Close");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// 2026-11-22T10:00:00.123456789Z
fn humantime(time: &Value) -> bool {
    let time = time.as_str().unwrap();
    time.len() == 30 && time.ends_with('Z') && &time[..2] == "20"
}

/// A process that is called `go`, and runs the shell's `commands`.
fn as_go(cwd: &Path, commands: &str, arguments: &[&str]) -> Command {
    let go = cwd.with_file_name("go"); // the same one for all of a test: it is a part of the toolchain
    if !go.exists() {
        testkit::copy_program("/bin/sh", &go);
    }
    let mut command = Command::new(go);
    command.args(["-c", commands, "go"]).args(arguments);
    command
}

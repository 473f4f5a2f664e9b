//! The go commands of the matrix, and what of their output must be the same with a failing cache as without one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// A go command that hangs is ended after this, which is a failure.
pub const HANGS: Duration = Duration::from_secs(300);

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Build,
    Vet,
    Test,
    List,
}

impl Action {
    pub const ALL: [Self; 4] = [Self::Build, Self::Vet, Self::Test, Self::List];

    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Vet => "vet",
            Self::Test => "test",
            Self::List => "list",
        }
    }

    fn args(self, output: &Path) -> Vec<String> {
        let text = match self {
            Self::Build => format!("build -trimpath -o {} .", output.display()),
            Self::Vet => "vet ./...".to_owned(),
            Self::Test => "test -vet=off ./...".to_owned(),
            Self::List => "list -export -deps -f {{.ImportPath}}={{.Export}} ./...".to_owned(),
        };
        text.split(' ').map(str::to_owned).collect()
    }
}

/// A go command of one version.
#[derive(Debug)]
pub struct Go {
    command: PathBuf,
    program: PathBuf,
    /// How each action ends without any cache.
    plain: Mutex<HashMap<Action, Ended>>,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub success: bool,
    /// What it printed and made, with times and places taken out.
    pub output: String,
    pub took: Duration,
    /// Packages whose exported file was not there any more after the command (`go list -export`).
    pub exports_gone: usize,
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    began: Instant,
    action: Action,
    dir: PathBuf,
}

impl Go {
    pub fn new(command: &Path, program: &Path) -> Self {
        Self { command: command.into(), program: program.into(), plain: Mutex::default() }
    }

    /// The action without any cache, measured once.
    pub fn plain(&self, action: Action) -> Ended {
        let known = self.plain.lock().unwrap().get(&action).cloned();
        known.unwrap_or_else(|| {
            let dir = tempfile::tempdir().unwrap();
            let ended = self.start(action, dir.path(), &[]).wait();
            self.plain.lock().unwrap().insert(action, ended.clone());
            ended
        })
    }

    /// Starts an action with its GOCACHE and all else in `dir`.
    pub fn start(&self, action: Action, dir: &Path, env: &[(&str, &Path)]) -> Running {
        for sub in ["gocache", "work", "gopath"] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        let out = |name| fs::File::create(dir.join(name)).unwrap();
        let mut command = Command::new(&self.command);
        command
            .args(action.args(&dir.join("program")))
            .current_dir(&self.program)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir)
            .env("GOTOOLCHAIN", "local")
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=mod")
            .env("GOPROXY", "off")
            .env("GOPATH", dir.join("gopath"))
            .env("GOCACHE", dir.join("gocache"))
            .env("GOTMPDIR", dir.join("work"))
            .envs(env.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(out("stdout")).stderr(out("stderr")).spawn().unwrap();
        Running { child, began: Instant::now(), action, dir: dir.to_owned() }
    }
}

impl Running {
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn wait(mut self) -> Ended {
        while !self.is_over() && self.began.elapsed() < HANGS {
            std::thread::sleep(Duration::from_millis(5));
        }
        let took = self.began.elapsed();
        if !self.is_over() {
            self.child.kill().unwrap();
        }
        let success = self.child.wait().unwrap().success();
        let text = |name| fs::read_to_string(self.dir.join(name)).unwrap();
        let (stdout, stderr) = (text("stdout"), text("stderr"));
        let mut exports_gone = 0;
        let printed = match self.action {
            Action::Build => format!("{stdout}{:?}", fs::read(self.dir.join("program")).map(|b| hash(&b)).ok()),
            Action::Vet => stdout,
            Action::Test => stdout.lines().map(without_time).collect(),
            Action::List => stdout.lines().map(|line| exported(line, &mut exports_gone)).collect(),
        };
        Ended { success, output: printed + &stderr, took, exports_gone }
    }
}

/// A line of `go test` without its third column, the time or "(cached)".
fn without_time(line: &str) -> String {
    line.splitn(3, '\t').take(2).collect::<Vec<_>>().join("\t") + "\n"
}

/// The package, and whether it has an export at all: its place differs.
fn exported(line: &str, gone: &mut usize) -> String {
    let (package, path) = line.split_once('=').unwrap_or((line, ""));
    if !path.is_empty() && !Path::new(path).exists() {
        *gone += 1;
    }
    format!("{package} {}\n", !path.is_empty())
}

fn hash(bytes: &[u8]) -> String {
    proto::id::hex(&Sha256::digest(bytes))
}

//! The go commands of the matrix, and the part of their output that must not depend on the cache.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// A go command that runs longer is killed, and counts as failed.
pub const MAX_RUN_TIME: Duration = Duration::from_secs(300);

/// A go command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GoCommand {
    Build,
    Vet,
    Test,
    List,
}

impl GoCommand {
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

/// The go program of one version, and the source that it builds.
#[derive(Debug)]
pub struct Go {
    executable: PathBuf,
    source: PathBuf,
    /// The result of each command without a cache.
    without_cache: Mutex<HashMap<GoCommand, Finished>>,
}

/// The result of a command.
#[derive(Debug, Clone)]
pub struct Finished {
    pub success: bool,
    /// Its output and what it made, without times and paths.
    pub output: String,
    pub elapsed: Duration,
    /// Packages whose exported file did not exist any more after the command (`go list -export`).
    pub missing_exports: usize,
}

/// A running command.
#[derive(Debug)]
pub struct Running {
    child: Child,
    began: Instant,
    command: GoCommand,
    dir: PathBuf,
}

impl Go {
    pub fn new(executable: &Path, source: &Path) -> Self {
        Self { executable: executable.into(), source: source.into(), without_cache: Mutex::default() }
    }

    /// The result of a command without a cache, measured once.
    pub fn without_cache(&self, command: GoCommand) -> Finished {
        let known = self.without_cache.lock().unwrap().get(&command).cloned();
        known.unwrap_or_else(|| {
            let dir = tempfile::tempdir().unwrap();
            let finished = self.start(command, dir.path(), &[]).wait();
            self.without_cache.lock().unwrap().insert(command, finished.clone());
            finished
        })
    }

    /// Starts a command with its GOCACHE and all its other files in `dir`.
    pub fn start(&self, command: GoCommand, dir: &Path, env: &[(&str, &Path)]) -> Running {
        for sub in ["gocache", "work", "gopath"] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        let out = |name| fs::File::create(dir.join(name)).unwrap();
        let mut process = Command::new(&self.executable);
        process
            .args(command.args(&dir.join("program")))
            .current_dir(&self.source)
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
        let child = process.stdin(Stdio::null()).stdout(out("stdout")).stderr(out("stderr")).spawn().unwrap();
        Running { child, began: Instant::now(), command, dir: dir.to_owned() }
    }
}

impl Running {
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn wait(mut self) -> Finished {
        while !self.has_ended() && self.began.elapsed() < MAX_RUN_TIME {
            std::thread::sleep(Duration::from_millis(5));
        }
        let elapsed = self.began.elapsed();
        if !self.has_ended() {
            self.child.kill().unwrap();
        }
        let success = self.child.wait().unwrap().success();
        let text = |name| fs::read_to_string(self.dir.join(name)).unwrap();
        let (stdout, stderr) = (text("stdout"), text("stderr"));
        let mut missing_exports = 0;
        let printed = match self.command {
            GoCommand::Build => format!("{stdout}{:?}", fs::read(self.dir.join("program")).map(|b| hash(&b)).ok()),
            GoCommand::Vet => stdout,
            GoCommand::Test => stdout.lines().map(without_time).collect(),
            GoCommand::List => stdout.lines().map(|line| exported(line, &mut missing_exports)).collect(),
        };
        Finished { success, output: printed + &stderr, elapsed, missing_exports }
    }
}

/// A line of `go test` without its third column, the time or "(cached)".
fn without_time(line: &str) -> String {
    line.splitn(3, '\t').take(2).collect::<Vec<_>>().join("\t") + "\n"
}

/// The package, and whether it has an export. The path differs from run to run.
fn exported(line: &str, missing: &mut usize) -> String {
    let (package, path) = line.split_once('=').unwrap_or((line, ""));
    if !path.is_empty() && !Path::new(path).exists() {
        *missing += 1;
    }
    format!("{package} {}\n", !path.is_empty())
}

fn hash(bytes: &[u8]) -> String {
    proto::id::hex(&Sha256::digest(bytes))
}

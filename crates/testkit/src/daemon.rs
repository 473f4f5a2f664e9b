//! A daemon as a process, on a temporary state directory.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use proto::control::{Answer, BuildStatus, Control, Registration, Requester, Status};

/// A running daemon with a state directory. It is killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    /// The directory of its sockets, its state and its builds' chroots.
    pub dir: tempfile::TempDir,
    child: Child,
    arguments: Vec<String>,
}

impl Daemon {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more arguments of `serve`.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let child = spawn(dir.path(), &arguments);
        Self { dir, child, arguments }
    }

    /// Starts one whose sockets and files other users can reach. `None` without root, which it takes to be another user.
    #[must_use]
    pub fn start_for_other_users() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let daemon = Self::start();
        std::fs::set_permissions(daemon.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Some(daemon)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as systemd sends; returns what the daemon logged.
    pub fn stop(&mut self) -> String {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::TERM).unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }

    /// Starts it again on the same state directory.
    pub fn start_again(&mut self) {
        self.child = spawn(self.dir.path(), &self.arguments);
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Its state directory.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Its control socket.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    /// Asks at the control socket.
    pub fn ask(&self, request: Control) -> Answer {
        transport::ask(UnixStream::connect(self.control()).unwrap(), request, &[]).unwrap().0
    }

    /// Registers a build. Returns its directory.
    pub fn register(&self, name: &str) -> PathBuf {
        let uid = rustix::process::getuid().as_raw();
        self.register_for(name, Requester::User { uid, forwards: false }, true)
    }

    /// Registers a build for which another user asked.
    pub fn register_for(&self, name: &str, requester: Requester, is_offline: bool) -> PathBuf {
        let chroot = self.dir.path().join(format!("{name}.drv.chroot/root"));
        std::fs::create_dir_all(&chroot).unwrap();
        let derivation = format!("/nix/store/{}-{name}.drv", "0".repeat(32));
        let chroot = Some(chroot.to_str().unwrap().to_owned());
        match self.ask(Control::Register(Registration {
            derivation,
            chroot,
            descriptors: Vec::new(),
            requester,
            is_offline,
            goroots: Vec::new(),
        })) {
            Answer::Registered { directory } => directory.into(),
            other => panic!("{other:?}"),
        }
    }

    /// Ends a build as Nix does.
    #[expect(clippy::disallowed_methods, reason = "it plays Nix")]
    pub fn end_build(&self, name: &str) {
        std::fs::remove_dir_all(self.dir.path().join(format!("{name}.drv.chroot"))).unwrap();
    }

    /// What the build of this name did, live or ended.
    #[must_use]
    pub fn build(&self, name: &str) -> BuildStatus {
        let builds = self.status().builds;
        builds.live.into_iter().chain(builds.ended).find(|build| build.name == name).unwrap()
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.ask(Control::Status) {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A program of the workspace: cargo puts programs beside the directory of test programs.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(program.is_file(), "{} does not exist: `cargo build -p {name}` first", program.display());
    program
}

/// Copies a program that is to be run. By another process: one that another test starts at this moment would inherit the descriptor that
/// writes it, and running it would fail with "text file busy" (execve(2), ETXTBSY).
pub fn copy_program(from: impl AsRef<OsStr>, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// Starts the daemon and waits until it answers.
fn spawn(dir: &Path, arguments: &[String]) -> Child {
    let control = dir.join("control.sock");
    // Tests pass on a disk with little free space too: the daemon keeps the least free that it accepts, unless the test sets another value.
    let floor = ["--min-free", "64MiB"].into_iter().filter(|_| !arguments.iter().any(|one| one == "--min-free"));
    let mut child = Command::new(program("cacheprogd"))
        .args(["serve", "--control-socket"])
        .arg(&control)
        .arg("--state-dir")
        .arg(dir.join("state"))
        .env("NIX_GOCACHEPROG_CONFIG", "/dev/null")
        .args(floor)
        .args(arguments)
        .arg("--host-socket")
        .arg(dir.join("host.sock"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..2000 {
        if UnixStream::connect(&control).is_ok() {
            return child;
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    let said = child.wait_with_output().unwrap();
    panic!("the daemon did not start: {}: {}", said.status, String::from_utf8_lossy(&said.stderr));
}

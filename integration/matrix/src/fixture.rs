//! A daemon with its state directory, and one registered build, whose directory is mounted at /gocache.

use std::fs;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proto::control::{Answer, Control, Counts, Envelope, MOUNT, Registration, Requester};
use proto::wire::{read_json_line, write_json_line};
use proto::{OutputId, limits};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use sha2::{Digest, Sha256};

/// Who asks for the builds.
pub(crate) const ROOT: Requester = Requester::User { uid: 0, forwards: false };

/// The daemon's user, which owns nothing else.
const UID: u32 = 42_420;

#[derive(Debug)]
pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub bin: PathBuf,
    /// The build's directory.
    pub view: PathBuf,
    daemon: Option<Child>,
    mounted: bool,
    small: bool,
}

impl Fixture {
    /// A daemon on a state directory that is a copy of `template`, or empty. `small`: on a file system of its own, twice as large as
    /// the template and a little, which can be filled or made read-only.
    pub fn start(bin: &Path, template: Option<&Path>, small: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut fixture = Self { dir, bin: bin.to_owned(), view: PathBuf::new(), daemon: None, mounted: false, small };
        fs::create_dir(fixture.dir.path().join("state")).unwrap();
        if small {
            let size = |path: PathBuf| fs::metadata(path).unwrap().len();
            let template: u64 = template.map_or(0, |template| files(template).into_iter().map(size).sum());
            let options = std::ffi::CString::new(format!("size={}", 2 * template + (64 << 20))).unwrap();
            mount("none", fixture.dir.path().join("state"), "tmpfs", MountFlags::empty(), options.as_c_str()).unwrap();
        }
        if let Some(template) = template {
            let kind = if small { "-a" } else { "-al" };
            let from = template.join(".");
            run_command(Command::new("cp").arg(kind).arg(&from).arg(fixture.state()));
        }
        run_command(Command::new("chown").arg(format!("{UID}:{UID}")).arg(fixture.dir.path().join("state")));
        fixture.spawn();
        fixture.register();
        fixture
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state/cache")
    }

    /// Starts the daemon and waits until it answers.
    pub fn spawn(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let child = Command::new(self.bin.join("cacheprogd"))
            .args(["serve", "--max-size", "none", "--control-socket"]) // a tenth of the small disk is less than the template
            .arg(self.control())
            .arg("--state-dir")
            .arg(self.state())
            .uid(UID)
            .gid(UID)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(child);
        for _ in 0..2000 {
            if self.ask(Control::Builds).is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the daemon did not start: {}", self.log());
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        if let Some(child) = &self.daemon {
            rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
        }
    }

    /// Ends the daemon by a signal and waits for it.
    pub fn end(&mut self, signal: rustix::process::Signal) {
        self.signal(signal);
        if let Some(mut child) = self.daemon.take() {
            child.wait().unwrap();
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.daemon.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The counters of the build, where the daemon answers.
    pub fn counts(&self) -> Option<Counts> {
        match self.ask(Control::Builds)? {
            Answer::Builds(builds) => builds.live.first().map(|build| build.counts),
            _ => None,
        }
    }

    /// The number of objects whose content does not have the hash of their name.
    pub fn damaged_objects(&self) -> usize {
        let mut damaged = 0;
        for path in files(&self.state().join("objects")) {
            let name: OutputId = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            damaged += usize::from(fs::read(&path).is_ok_and(|bytes| Sha256::digest(bytes)[..] != name.0));
        }
        damaged
    }

    fn control(&self) -> PathBuf {
        self.dir.path().join("state/control.sock")
    }

    fn ask(&self, request: Control) -> Option<Answer> {
        let stream = UnixStream::connect(self.control()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        write_json_line(&stream, &Envelope::new(request)).ok()?;
        read_json_line(&mut BufReader::new(stream), limits::CONTROL_ANSWER).ok()
    }

    fn register(&mut self) {
        let derivation = "/nix/store/x-matrix.drv".into();
        let registration = Registration { derivation, requester: ROOT, is_offline: true, ..Registration::default() };
        let Some(view) = self.registered(registration) else { panic!("not registered: {}", self.log()) };
        self.view = view;
        mount_bind(&self.view, MOUNT).unwrap();
        self.mounted = true;
    }

    /// Registers a build; returns its directory.
    pub fn registered(&self, registration: Registration) -> Option<PathBuf> {
        match self.ask(Control::Register(registration))? {
            Answer::Registered { directory } => Some(directory.into()),
            _ => None,
        }
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::CONT);
        self.end(rustix::process::Signal::KILL);
        if self.mounted {
            let _already_unmounted = unmount(MOUNT, UnmountFlags::DETACH);
        }
        if self.small {
            let _already_unmounted = unmount(self.dir.path().join("state"), UnmountFlags::DETACH);
        }
    }
}

/// All files below a directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Runs a command that must succeed.
pub fn run_command(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

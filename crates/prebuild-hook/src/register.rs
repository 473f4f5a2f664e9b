//! Asking the daemon for a build's directory.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::FrameError;
use proto::control::{Answer, Control, Descriptor, Registration};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};

/// The hook's own deadline is over the whole; this one ends a wait that nobody listens to any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Names of programs that run builds: `nix-daemon`, `nix-build`, `nix`, and `lix-daemon`, `determinate-nixd` of the forks.
const NIX_NAMES: [&str; 3] = ["nix", "lix", "determinate-ni"];

/// Wrappers between Nix and this hook.
const ANCESTORS: usize = 4;

/// Why the daemon gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Nobody listens.
    #[error("no daemon answers at {}: {source}", path.display())]
    Connect {
        /// The control socket.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The conversation broke off.
    #[error("talking to the daemon: {0}")]
    Frame(#[from] FrameError),
    /// The daemon said no.
    #[error("the daemon says: {0}")]
    Refused(String),
}

/// Registers a build; returns the directory to mount.
pub(crate) fn register(control: &Path, derivation: &Path, chroot: Option<&Path>) -> Result<PathBuf, RegisterError> {
    let dialed = transport::dial(control, PATIENCE);
    let stream = dialed.map_err(|source| RegisterError::Connect { path: control.to_owned(), source })?;
    let (descriptors, fds) = descriptors(chroot);
    let registration = Registration {
        derivation: derivation.to_string_lossy().into_owned(),
        chroot: chroot.map(|path| path.to_string_lossy().into_owned()),
        descriptors,
    };
    match transport::ask(stream, Control::Register(registration), &fds)?.0 {
        Answer::Registered { directory } => Ok(directory.into()),
        Answer::Error(error) => Err(RegisterError::Refused(error)),
        Answer::Status(_) | Answer::Builds(_) | Answer::Follows(_) => {
            Err(RegisterError::Refused("something else".to_owned()))
        }
    }
}

/// What tells the daemon of the build's end: its chroot, and the Nix process that runs it.
fn descriptors(chroot: Option<&Path>) -> (Vec<Descriptor>, Vec<OwnedFd>) {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let chroot = chroot.and_then(|path| rustix::fs::open(path, flags, Mode::empty()).ok());
    let worker = nix_process().and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let all = [(Descriptor::Chroot, chroot), (Descriptor::Worker, worker)];
    all.into_iter().filter_map(|(what, fd)| fd.map(|fd| (what, fd))).unzip()
}

/// The nearest of our ancestors that is a Nix: our parent, or its, where a wrapper script calls this hook. Such a script is
/// over long before the build.
fn nix_process() -> Option<Pid> {
    let mut pid = getppid()?;
    for _ in 0..ANCESTORS {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        // pid (name) state parent …; the name may hold anything (proc_pid_stat(5)).
        let (name, rest) = (stat.split_once('(')?.1, stat.rsplit_once(')')?.1);
        if NIX_NAMES.iter().any(|nix| name.starts_with(nix)) {
            return Some(pid);
        }
        pid = rest.split_whitespace().nth(1)?.parse().ok().and_then(Pid::from_raw)?;
    }
    None
}

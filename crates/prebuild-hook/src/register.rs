//! Registers a build at the daemon, which returns the build's directory.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::FrameError;
use proto::control::{Answer, Control, Descriptor, Registration, Requester};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};

use crate::goroots::goroots;
use crate::network;
use crate::requester::requester;

/// Timeout of the connection and of each read and write. The hook has a deadline for everything; this one ends the thread after
/// it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Beginnings of the names of programs that run builds: `nix-daemon`, `nix-build`, `nix`, and `lix-daemon`, `determinate-nixd` of
/// the forks.
const NIX_NAMES: [&str; 3] = ["nix", "lix", "determinate-ni"];

/// How many ancestors are looked at: there may be wrapper scripts between Nix and this hook.
const MAX_ANCESTORS: usize = 4;

/// Why the daemon gave no directory.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No connection.
    #[error("no daemon answers at {}: {source}", path.display())]
    Connect {
        /// The control socket.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The connection failed.
    #[error("talking to the daemon: {0}")]
    Frame(#[from] FrameError),
    /// The daemon refused.
    #[error("the daemon refused the build: {0}")]
    Refused(String),
}

/// Registers a build; returns the directory to mount.
pub(crate) fn register(control: &Path, derivation: &Path, chroot: Option<&Path>) -> Result<PathBuf, RegisterError> {
    let dial = || {
        let dialed = transport::dial(control, TIMEOUT);
        dialed.map_err(|source| RegisterError::Connect { path: control.to_owned(), source })
    };
    let stream = dial()?;
    let opened = |pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?));
    let worker = nix_process().and_then(opened);
    let requester = match &worker {
        Some((pid, pidfd)) => requester(*pid, pidfd.as_fd()),
        None => getppid().and_then(opened).map_or_else(unknown, |(pid, pidfd)| requester(pid, pidfd.as_fd())),
    };
    let (descriptors, fds) = descriptors(chroot, worker.map(|(_, pidfd)| pidfd));
    let registration = Registration {
        requester,
        is_offline: network::is_offline(derivation, chroot),
        derivation: derivation.to_string_lossy().into_owned(),
        chroot: chroot.map(|path| path.to_string_lossy().into_owned()),
        descriptors,
        goroots: goroots(derivation, chroot),
    };
    let again = registration.clone();
    let answer = match transport::ask(stream, Control::Register(registration), &fds) {
        // systemd closed it: a daemon that was idle ended just then. The next connection starts one.
        Err(e) if e.is_closed() => transport::ask(dial()?, Control::Register(again), &fds)?.0,
        other => other?.0,
    };
    match answer {
        Answer::Registered { directory } => Ok(directory.into()),
        Answer::Error(error) => Err(RegisterError::Refused(error)),
        Answer::Status(_) | Answer::Builds(_) | Answer::Follows(_) => {
            Err(RegisterError::Refused("unexpected answer".to_owned()))
        }
    }
}

fn unknown() -> Requester {
    Requester::Unknown("the process that runs the hook cannot be looked at".to_owned())
}

/// Descriptors from which the daemon sees the end of the build: its chroot, and the Nix process that runs it.
fn descriptors(chroot: Option<&Path>, worker: Option<OwnedFd>) -> (Vec<Descriptor>, Vec<OwnedFd>) {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let chroot = chroot.and_then(|path| rustix::fs::open(path, flags, Mode::empty()).ok());
    let all = [(Descriptor::Chroot, chroot), (Descriptor::Worker, worker)];
    all.into_iter().filter_map(|(what, fd)| fd.map(|fd| (what, fd))).unzip()
}

/// The nearest ancestor that is Nix: the parent of this process, or one above, where a wrapper script calls this hook. (A wrapper
/// ends long before the build.)
fn nix_process() -> Option<Pid> {
    let mut pid = getppid()?;
    for _ in 0..MAX_ANCESTORS {
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

//! Asking the daemon for a build's directory.

use std::io::{BufReader, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::control::{Answer, Control, Descriptor, Envelope, Registration};
use proto::wire::read_json_line;
use proto::{FrameError, limits};
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    connect, sendmsg, socket_with,
};
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
    let stream = dial(control).map_err(|e| RegisterError::Connect { path: control.to_owned(), source: e.into() })?;
    let stream = UnixStream::from(stream);
    stream.set_nonblocking(false).map_err(FrameError::from)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(FrameError::from)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(FrameError::from)?;
    let (descriptors, fds) = descriptors(chroot);
    let registration = Registration {
        derivation: derivation.to_string_lossy().into_owned(),
        chroot: chroot.map(|path| path.to_string_lossy().into_owned()),
        descriptors,
    };
    let mut line = serde_json::to_vec(&Envelope::new(Control::Register(registration))).map_err(FrameError::from)?;
    line.push(b'\n');
    send(&stream, &line, &fds).map_err(|e| FrameError::Read(e.into()))?;
    match read_json_line(&mut BufReader::new(&stream), limits::HELLO_LINE)? {
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

/// Connects without waiting: a stopped daemon's full queue would block for ever.
fn dial(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Sends the line in one message, which carries the descriptors. It is far below a socket's buffer, so it goes whole.
fn send(stream: &UnixStream, line: &[u8], fds: &[OwnedFd]) -> rustix::io::Result<()> {
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    }
    let sent = sendmsg(stream, &[IoSlice::new(line)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == line.len() { Ok(()) } else { Err(rustix::io::Errno::MSGSIZE) }
}

//! Which user asked Nix for this build.
//!
//! Nix builds in a process of root's that nix-daemon makes for each connection, or in the user's own process where that has the
//! store for itself. Of the first kind it is asked who is at the other end of its connection (`SO_PEERCRED`, unix(7)): the one socket
//! whose own name is that of the daemon's socket and which does not listen (nix/src/nix/unix/daemon.cc `daemonLoop`, Nix 2.8-2.35).
//! A socket without that name proves nothing: the other end of the journal's is root.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use proto::control::Requester;
use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, getsockname, sockopt};
use rustix::process::{Pid, PidfdGetfdFlags, pidfd_getfd};

/// Where Nix has its daemon's socket, unless the environment says otherwise (nix/src/libstore/globals.cc, Nix 2.8-2.35).
const STATE_DIR: &str = "/nix/var/nix";

/// Programs that build for their connections only. Others build for the user who started them too.
const DAEMONS: [&str; 3] = ["nix-daemon", "lix-daemon", "determinate-nixd"];

/// Arguments of programs that carry out what a peer at another machine asks for (ssh-ng, ssh).
const FORWARDING: [&str; 2] = ["--stdio", "--serve"];

/// The user for whom this process builds.
pub(crate) fn requester(nix: Pid, pidfd: BorrowedFd<'_>) -> Requester {
    find(nix, pidfd).unwrap_or_else(Requester::Unknown)
}

fn find(nix: Pid, pidfd: BorrowedFd<'_>) -> Result<Requester, String> {
    let process = PathBuf::from(format!("/proc/{}", nix.as_raw_nonzero()));
    let uid = owner(&process)?;
    if uid != 0 {
        return Ok(user(uid, &process)); // Nix for a single user
    }
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let accepted = accepted(&process, pidfd)?;
    let expected = daemon_socket(&process);
    match accepted.as_slice() {
        [] if DAEMONS.contains(&name.trim_end()) && !forwards(&process) => {
            Err(format!("{} has no connection of {}", name.trim_end(), expected.display()))
        }
        [] => Ok(user(uid, &process)), // root builds in the own process
        [(connection, socket)] if *socket == expected => {
            // Of `nix`: a peer of another pid namespace has the number 0 (cacheprogd, net/peer_credentials.rs).
            let peer = getsockopt(connection, PeerCredentials).map_err(|e| format!("asking for the peer: {e}"))?;
            Ok(user(peer.uid(), Path::new(&format!("/proc/{}", peer.pid()))))
        }
        [(_, socket)] => Err(format!("its connection came by {} and not by {}", socket.display(), expected.display())),
        several => Err(format!("it has {} connections", several.len())),
    }
}

fn user(uid: u32, process: &Path) -> Requester {
    Requester::User { uid, forwards: forwards(process) }
}

fn owner(process: &Path) -> Result<u32, String> {
    let status = fs::read_to_string(process.join("status")).map_err(|e| format!("reading its status: {e}"))?;
    uid_in(&status).ok_or_else(|| "its status has no uid".to_owned())
}

/// The first of real, effective, saved and file system's uid, as `proc_pid_status(5)` has them.
pub(crate) fn uid_in(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())
}

/// Whether a process carries out what others ask for. Its user can hide that: who may do so has the rights of that user.
fn forwards(process: &Path) -> bool {
    forwards_in(&fs::read(process.join("cmdline")).unwrap_or_default())
}

pub(crate) fn forwards_in(line: &[u8]) -> bool {
    line.split(|&byte| byte == 0).any(|argument| FORWARDING.iter().any(|one| argument == one.as_bytes()))
}

/// The daemon's socket, as that process has it.
fn daemon_socket(process: &Path) -> PathBuf {
    daemon_socket_in(&fs::read(process.join("environ")).unwrap_or_default())
}

pub(crate) fn daemon_socket_in(environment: &[u8]) -> PathBuf {
    let value = |name: &str| {
        let line = environment.split(|&byte| byte == 0).find_map(|line| line.strip_prefix(name.as_bytes()));
        line.filter(|value| !value.is_empty()).map(|value| PathBuf::from(String::from_utf8_lossy(value).into_owned()))
    };
    value("NIX_DAEMON_SOCKET_PATH=")
        .unwrap_or_else(|| value("NIX_STATE_DIR=").unwrap_or_else(|| STATE_DIR.into()).join("daemon-socket/socket"))
}

/// The connections that a process accepted at sockets with a path, each with that path.
fn accepted(process: &Path, pidfd: BorrowedFd<'_>) -> Result<Vec<(OwnedFd, PathBuf)>, String> {
    let mut accepted = Vec::new();
    for entry in fs::read_dir(process.join("fd")).map_err(|e| format!("listing its descriptors: {e}"))? {
        let entry = entry.map_err(|e| format!("listing its descriptors: {e}"))?;
        let is_socket =
            fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str().as_encoded_bytes().starts_with(b"socket:"));
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()).filter(|_| is_socket) else {
            continue;
        };
        let socket = match pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty()) {
            Ok(socket) => socket,
            Err(Errno::BADF) => continue, // closed meanwhile
            Err(e) => return Err(format!("looking at its descriptors: {e}")),
        };
        if let Some(path) = path_of_accepted(socket.as_fd()) {
            accepted.push((socket, path));
        }
    }
    Ok(accepted)
}

/// The path of a socket that was accepted: it has the name of the one that listens. What a process connected has no name.
fn path_of_accepted(socket: BorrowedFd<'_>) -> Option<PathBuf> {
    let path = SocketAddrUnix::try_from(getsockname(socket).ok()?).ok()?.path()?.to_string_lossy().into_owned();
    let listens = sockopt::socket_acceptconn(socket).unwrap_or(true);
    (!listens).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    use rustix::process::{PidfdFlags, getpid, pidfd_open};

    #[test]
    fn accepted_connections_are_told_from_listening_and_connected_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let connected = UnixStream::connect(&path).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let (pair, _other) = UnixStream::pair().unwrap();
        assert_eq!(path_of_accepted(accepted.as_fd()), Some(path.clone()));
        for other in [listener.as_fd(), connected.as_fd(), pair.as_fd()] {
            assert_eq!(path_of_accepted(other), None);
        }
        let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let found = super::accepted(Path::new("/proc/self"), pidfd.as_fd()).unwrap();
        assert_eq!(found.iter().filter(|(_, of)| *of == path).count(), 1);
    }

    #[test]
    fn a_process_that_serves_a_pipe_forwards() {
        let dir = tempfile::tempdir().unwrap();
        for (line, expected) in [
            ("nix-daemon\0--stdio\0", true),
            ("nix-store\0--serve\0--write\0", true),
            ("nix\0build\0--stdio-x\0", false),
            ("nix-daemon\x00123\0", false),
        ] {
            fs::write(dir.path().join("cmdline"), line).unwrap();
            assert_eq!(forwards(dir.path()), expected, "{line}");
        }
    }

    #[test]
    fn the_daemons_socket_is_where_its_environment_says() {
        let dir = tempfile::tempdir().unwrap();
        for (environment, expected) in [
            ("", "/nix/var/nix/daemon-socket/socket"),
            ("A=b\0NIX_STATE_DIR=/s\0", "/s/daemon-socket/socket"),
            ("NIX_STATE_DIR=/s\0NIX_DAEMON_SOCKET_PATH=/d\0", "/d"),
            ("NIX_DAEMON_SOCKET_PATH=\0", "/nix/var/nix/daemon-socket/socket"),
        ] {
            fs::write(dir.path().join("environ"), environment).unwrap();
            assert_eq!(daemon_socket(dir.path()), Path::new(expected), "{environment}");
        }
    }
}

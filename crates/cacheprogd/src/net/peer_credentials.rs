//! Which process is at the other end of a unix socket, as the kernel reports it: `SO_PEERCRED`, unix(7). What the peer may do, the
//! sockets' own code decides.
//!
//! It uses `nix`, whose process ids are plain numbers. The kernel reports 0 for a process that our pid namespace does not show (a
//! daemon in a container), and for a session whose leader it does not show. A process id of rustix is never 0.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::getsid;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The process that connected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    /// 0 where our pid namespace does not show it.
    pid: i32,
}

impl Peer {
    /// The peer of this connection.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        let peer = getsockopt(stream, PeerCredentials)?;
        Ok(Self { uid: peer.uid(), pid: peer.pid() })
    }

    /// Whether it runs as the daemon's own user.
    pub(crate) fn is_daemon_user(self) -> bool {
        self.uid == rustix::process::geteuid().as_raw()
    }

    /// The process that leads the peer's session; `None` where it has exited or is not shown to us.
    pub(crate) fn session_leader(self) -> Option<OwnedFd> {
        Pid::from_raw(self.pid)?; // getsid(0) would be our own
        let leader = getsid(Some(nix::unistd::Pid::from_raw(self.pid))).ok()?;
        pidfd_open(Pid::from_raw(leader.as_raw())?, PidfdFlags::empty()).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::Peer;

    #[test]
    fn both_ends_of_a_pair_run_as_the_daemons_user() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert!(peer.is_daemon_user());
        assert_eq!(peer.pid, i32::try_from(std::process::id()).unwrap());
    }

    #[test]
    fn a_peer_that_the_pid_namespace_does_not_show_has_no_session_leader() {
        assert!(Peer { uid: 0, pid: 0 }.session_leader().is_none());
    }
}

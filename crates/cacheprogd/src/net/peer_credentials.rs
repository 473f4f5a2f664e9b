//! Who is at the other end of a unix socket, as the kernel says it: `SO_PEERCRED`, unix(7).
//!
//! Through `nix`, whose process ids are numbers: the kernel says 0 for a process that our pid namespace does not show (a
//! daemon in a container), and for a session whose leader it does not; rustix' are never 0, and to make one of 0 is an error.

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

    /// Whether it is of the daemon's own user.
    pub(crate) fn is_ours(self) -> bool {
        self.uid == rustix::process::geteuid().as_raw()
    }

    /// The process that leads the peer's session; `None` where it is none of this machine's, or gone.
    pub(crate) fn leader(self) -> Option<OwnedFd> {
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
    fn a_pair_is_of_our_own() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert!(peer.is_ours());
        assert_eq!(peer.pid, i32::try_from(std::process::id()).unwrap());
    }

    #[test]
    fn a_peer_that_we_are_not_shown_has_no_leader() {
        assert!(Peer { uid: 0, pid: 0 }.leader().is_none());
    }
}

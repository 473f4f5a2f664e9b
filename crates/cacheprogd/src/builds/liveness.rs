//! Whether a build still runs. Nix reports the end of a build to no other program, so that it is found by what Nix leaves behind:
//!
//! - `….drv.chroot`, which Nix makes before it calls the hook and removes at the end. Newer Nix names `….drv.chroot/root`
//!   to the hook, which lies in a 0700 directory of root's, so the parent is looked at (docs/facts/nix.md, "How the hook is called").
//! - The same directory as a descriptor from the hook, for where the path cannot be seen (`PrivateTmp`, `--store /tmp/x`).
//! - The Nix process that runs the build, as a pidfd from the hook: a killed nix-daemon leaves its chroot behind.
//!
//! For how long a build without a session counts as running, build.rs decides.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::fstat;
use serde::{Deserialize, Serialize};

/// What to look at. The path and the inode survive a restart of the daemon, the descriptors do not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct LivenessProbe {
    path: Option<PathBuf>,
    /// Device and inode at registration; `None` where the path could not be seen.
    #[serde(rename = "seen")]
    inode: Option<(u64, u64)>,
    #[serde(skip)]
    chroot: Option<OwnedFd>,
    #[serde(skip)]
    worker: Option<OwnedFd>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// The build's chroot is there.
    Running,
    /// The build is over.
    Ended,
    /// The chroot is there and the process that ran the build has exited: a Nix that was killed left the chroot behind. (Or that
    /// process was not the one that runs the build; then the build has sessions.)
    Abandoned,
    /// Nothing can be seen: only a long time without a session tells.
    Unknown,
}

impl LivenessProbe {
    /// Looks at `chroot` (argv\[2\] of the hook) as it is at registration.
    pub(crate) fn new(chroot: Option<&str>, fd: Option<OwnedFd>, worker: Option<OwnedFd>) -> Self {
        let path = chroot.map(|chroot| PathBuf::from(chroot.strip_suffix("/root").unwrap_or(chroot)));
        let inode = path.as_ref().and_then(|path| fs::symlink_metadata(path).ok()).map(|m| (m.dev(), m.ino()));
        Self { path, inode, chroot: fd, worker }
    }

    /// Looks now.
    pub(crate) fn liveness(&self) -> Liveness {
        let liveness = match self.by_path() {
            Liveness::Unknown => self.by_descriptor(),
            known => known,
        };
        match liveness {
            Liveness::Running | Liveness::Unknown if self.worker.as_ref().is_some_and(has_exited) => {
                Liveness::Abandoned
            }
            known => known,
        }
    }

    fn by_path(&self) -> Liveness {
        let (Some(path), Some(inode)) = (&self.path, self.inode) else { return Liveness::Unknown };
        match fs::symlink_metadata(path) {
            Ok(m) if (m.dev(), m.ino()) == inode => Liveness::Running,
            Ok(_) => Liveness::Ended, // the chroot of a later build
            Err(e) if e.kind() == ErrorKind::NotFound => Liveness::Ended,
            Err(_) => Liveness::Unknown, // EACCES and the like tell nothing about the build
        }
    }

    fn by_descriptor(&self) -> Liveness {
        match self.chroot.as_ref().map(fstat) {
            Some(Ok(stat)) if stat.st_nlink == 0 => Liveness::Ended,
            Some(Ok(_)) => Liveness::Running,
            Some(Err(_)) | None => Liveness::Unknown,
        }
    }
}

/// A pidfd is readable once its process has exited (`pidfd_open(2)`).
fn has_exited(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests do what Nix does")]
mod tests {
    use super::*;

    fn chroot() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("x.drv.chroot/root");
        fs::create_dir_all(&root).unwrap();
        (dir, root)
    }

    #[test]
    fn a_build_ends_with_its_chroot() {
        let (_dir, root) = chroot();
        let probe = LivenessProbe::new(root.to_str(), None, None);
        assert_eq!(probe.liveness(), Liveness::Running);
        fs::remove_dir_all(root.parent().unwrap()).unwrap();
        assert_eq!(probe.liveness(), Liveness::Ended);
    }

    #[test]
    fn a_later_build_with_the_same_chroot_path_is_another_build() {
        let (dir, root) = chroot();
        let probe = LivenessProbe::new(root.to_str(), None, None);
        let parent = root.parent().unwrap();
        fs::rename(parent, dir.path().join("old")).unwrap();
        fs::create_dir_all(parent).unwrap();
        assert_eq!(probe.liveness(), Liveness::Ended);
    }

    #[test]
    fn where_the_path_cannot_be_seen_the_descriptor_decides() {
        let (dir, root) = chroot();
        let fd = || OwnedFd::from(fs::File::open(&root).unwrap());
        assert_eq!(LivenessProbe::new(Some("/nowhere/x.drv.chroot/root"), None, None).liveness(), Liveness::Unknown);
        let probe = LivenessProbe::new(Some("/nowhere/x.drv.chroot/root"), Some(fd()), None);
        assert_eq!(probe.liveness(), Liveness::Running);
        fs::remove_dir_all(dir.path()).unwrap();
        assert_eq!(probe.liveness(), Liveness::Ended);
    }

    #[test]
    fn a_chroot_whose_worker_has_exited_is_abandoned() {
        let (_dir, root) = chroot();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        let probe = LivenessProbe::new(root.to_str(), None, Some(pidfd));
        assert_eq!(probe.liveness(), Liveness::Running);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(probe.liveness(), Liveness::Abandoned);
    }
}

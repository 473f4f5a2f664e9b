//! Whether a build still runs. Nix tells nobody when a build ends; what it leaves behind tells.
//!
//! - `….drv.chroot`, which Nix makes before it calls the hook and removes at the end. Newer Nix names `….drv.chroot/root`
//!   to the hook, which lies in a 0700 directory of root's, so the parent is watched (docs/facts/nix.md, "How the hook is called").
//! - The same directory as a descriptor from the hook, for where the path cannot be seen (`PrivateTmp`, `--store /tmp/x`).
//! - The Nix process that runs the build, as a pidfd from the hook: a killed nix-daemon leaves its chroot behind.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::fstat;
use serde::{Deserialize, Serialize};

/// What to look at. The path and what was seen there survive a restart of the daemon, the descriptors do not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watch {
    path: Option<PathBuf>,
    /// Device and inode at registration; `None` where the path could not be seen.
    seen: Option<(u64, u64)>,
    #[serde(skip)]
    chroot: Option<OwnedFd>,
    #[serde(skip)]
    worker: Option<OwnedFd>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The build's chroot is there.
    Runs,
    /// The build is over.
    Ended,
    /// The chroot is there, but the process that ran the build is not: left behind by a Nix that was killed. (Or that
    /// process was not the one that runs the build; then it has sessions.)
    Left,
    /// Nothing can be seen: only a long idleness tells.
    Unknown,
}

impl Watch {
    /// Looks at `chroot` (argv\[2\] of the hook) as it is at registration.
    pub(crate) fn new(chroot: Option<&str>, fd: Option<OwnedFd>, worker: Option<OwnedFd>) -> Self {
        let path = chroot.map(|chroot| PathBuf::from(chroot.strip_suffix("/root").unwrap_or(chroot)));
        let seen = path.as_ref().and_then(|path| fs::symlink_metadata(path).ok()).map(|m| (m.dev(), m.ino()));
        Self { path, seen, chroot: fd, worker }
    }

    /// Looks now.
    pub(crate) fn verdict(&self) -> Verdict {
        let verdict = match self.by_path() {
            Verdict::Unknown => self.by_descriptor(),
            known => known,
        };
        match verdict {
            Verdict::Runs | Verdict::Unknown if self.worker.as_ref().is_some_and(has_exited) => Verdict::Left,
            known => known,
        }
    }

    fn by_path(&self) -> Verdict {
        let (Some(path), Some(seen)) = (&self.path, self.seen) else { return Verdict::Unknown };
        match fs::symlink_metadata(path) {
            Ok(m) if (m.dev(), m.ino()) == seen => Verdict::Runs,
            Ok(_) => Verdict::Ended, // a later build's
            Err(e) if e.kind() == ErrorKind::NotFound => Verdict::Ended,
            Err(_) => Verdict::Unknown, // EACCES and the like say nothing of the build
        }
    }

    fn by_descriptor(&self) -> Verdict {
        match self.chroot.as_ref().map(fstat) {
            Some(Ok(stat)) if stat.st_nlink == 0 => Verdict::Ended,
            Some(Ok(_)) => Verdict::Runs,
            Some(Err(_)) | None => Verdict::Unknown,
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
#[expect(clippy::disallowed_methods, reason = "the tests play Nix")]
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
        let watch = Watch::new(root.to_str(), None, None);
        assert_eq!(watch.verdict(), Verdict::Runs);
        fs::remove_dir_all(root.parent().unwrap()).unwrap();
        assert_eq!(watch.verdict(), Verdict::Ended);
    }

    #[test]
    fn a_later_build_in_the_same_place_is_another() {
        let (dir, root) = chroot();
        let watch = Watch::new(root.to_str(), None, None);
        let parent = root.parent().unwrap();
        fs::rename(parent, dir.path().join("old")).unwrap();
        fs::create_dir_all(parent).unwrap();
        assert_eq!(watch.verdict(), Verdict::Ended);
    }

    #[test]
    fn a_path_never_seen_says_nothing_and_the_descriptor_decides() {
        let (dir, root) = chroot();
        let fd = || OwnedFd::from(fs::File::open(&root).unwrap());
        assert_eq!(Watch::new(Some("/nowhere/x.drv.chroot/root"), None, None).verdict(), Verdict::Unknown);
        let watch = Watch::new(Some("/nowhere/x.drv.chroot/root"), Some(fd()), None);
        assert_eq!(watch.verdict(), Verdict::Runs);
        fs::remove_dir_all(dir.path()).unwrap();
        assert_eq!(watch.verdict(), Verdict::Ended);
    }

    #[test]
    fn a_chroot_without_its_worker_was_left_behind() {
        let (_dir, root) = chroot();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        let watch = Watch::new(root.to_str(), None, Some(pidfd));
        assert_eq!(watch.verdict(), Verdict::Runs);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(watch.verdict(), Verdict::Left);
    }
}

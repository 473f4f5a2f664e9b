//! The state directory for commands that work on it without the daemon: finding it, becoming its owner, its disk.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use store::{Access, Disk, Store, StoreError};

use crate::error::CommandError;

/// Which store to work on.
#[derive(Debug, clap::Args)]
pub(crate) struct StateDir {
    /// The store: the daemon's state directory, or one of `cacheprog-client --store`.
    #[arg(long, value_name = "DIR", env = "CACHE_DIRECTORY", default_value = DEFAULT)]
    pub(crate) state_dir: PathBuf,
}

/// Where the units keep the daemon's state.
const DEFAULT: &str = "/var/cache/nix-gocacheprog";

impl StateDir {
    /// Opens the store that is there, as its owner.
    ///
    /// # Errors
    /// Where there is none, or it cannot be opened.
    pub(crate) fn open(&self) -> Result<Store, CommandError> {
        let dir = &self.state_dir;
        let format = dir.join("format");
        let owner = format.metadata().map_err(|source| match source.kind() {
            ErrorKind::NotFound => CommandError::NoStore { path: dir.clone(), source },
            _ => StoreError::Io { verb: "reading", path: format, source }.into(),
        })?;
        become_owner(owner.uid(), owner.gid())
            .map_err(|e| CommandError::System("taking the store's owner's uid", e.into()))?;
        Ok(Store::open(dir, Access::Owner)?)
    }
}

/// Root works as the store's owner, so that nothing of root's is left there.
fn become_owner(uid: u32, gid: u32) -> nix::Result<()> {
    if !Uid::effective().is_root() || uid == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

/// The disk on which a directory is.
///
/// # Errors
/// What the system says.
pub(crate) fn disk(dir: &Path) -> io::Result<Disk> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(Disk { size: stat.f_blocks * stat.f_frsize, free: stat.f_bavail * stat.f_frsize })
}

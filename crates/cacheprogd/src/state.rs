//! The state directory for commands that work on it without the daemon: finding it, becoming its owner.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use store::{Access, Store};

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
    /// Opens the store that is there, as its owner: whose the directory is decides, and nothing in it, as that is its owner's to
    /// make up. From there on root can do no more than the owner can.
    ///
    /// # Errors
    /// Where there is none, or it cannot be opened.
    pub(crate) fn open(&self) -> Result<Store, CommandError> {
        let path = self.state_dir.clone();
        let held = File::options().read(true).custom_flags(DIRECTORY).open(&path);
        let held = held.map_err(|source| CommandError::NoStore { path: path.clone(), source })?;
        let owner = held.metadata().map_err(|e| CommandError::System("looking at the state directory", e))?;
        become_owner(owner.uid(), owner.gid())
            .map_err(|e| CommandError::System("taking the store's owner's uid", e.into()))?;
        // The directories above may be root's alone (systemd's /var/cache/private): what is held open is reached all the same.
        let dir = match fs::metadata(&path) {
            Ok(_) => path.clone(),
            Err(_) => format!("/proc/self/fd/{}", held.into_raw_fd()).into(),
        };
        match fs::symlink_metadata(dir.join("format")) {
            Ok(format) if format.is_file() => {
                let store = Store::open(&dir, Access::Owner)?.beside_a_daemon();
                if store.was_of_format_before() {
                    log::warn!("{}: {}", self.state_dir.display(), store::SET_ASIDE);
                }
                Ok(store)
            }
            Ok(_) => Err(CommandError::NoStore { path, source: ErrorKind::InvalidInput.into() }),
            Err(source) => Err(CommandError::NoStore { path, source }),
        }
    }
}

#[expect(clippy::cast_possible_wrap, reason = "the flag is a small positive number")]
const DIRECTORY: i32 = rustix::fs::OFlags::DIRECTORY.bits() as i32;

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

//! The state directory for commands that work on it without the daemon: finding it, becoming its owner.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use store::{Access, Store, Unwanted};

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
    /// make up. From there on root can do no more than the owner can. Who leaves what is not wanted only looks, and changes nothing.
    ///
    /// # Errors
    /// Where there is none, it cannot be opened, or a daemon of an earlier version has it: that one knows nothing of our format.
    pub(crate) fn open(&self, what: Unwanted) -> Result<Store, CommandError> {
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
            Ok(format) if format.is_file() => self.open_beside(&dir, what),
            Ok(_) => Err(CommandError::NoStore { path, source: ErrorKind::InvalidInput.into() }),
            Err(source) => Err(CommandError::NoStore { path, source }),
        }
    }

    fn open_beside(&self, dir: &Path, what: Unwanted) -> Result<Store, CommandError> {
        let seen = Store::look(dir)?;
        let is_former = seen.was_of_format_before();
        // Held until the format is ours: no daemon of an earlier version starts in between.
        let held = if is_former { lock(dir, File::try_lock_shared) } else { Ok(None) };
        let _held = held.map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => CommandError::Earlier { path: self.state_dir.clone() },
            _ => CommandError::System("locking the state directory", e),
        })?;
        let (store, said) = match what {
            Unwanted::Leave => (seen, "the entries are of an earlier version, which this one does not read"),
            Unwanted::Remove => (Store::open(dir, Access::Owner)?, store::SET_ASIDE),
        };
        if is_former {
            log::warn!("{}: {said}", self.state_dir.display());
        }
        Ok(store.beside_a_daemon())
    }
}

/// Takes the lock that a daemon has on its state directory for as long as it runs; `None` where no daemon has made the file.
///
/// # Errors
/// `WouldBlock` where a daemon has it, and whatever the system says.
pub(crate) fn lock(dir: &Path, take: fn(&File) -> Result<(), TryLockError>) -> io::Result<Option<File>> {
    // For reading: a file that is open for writing would keep its file system from being made read-only.
    let file = match File::open(dir.join("lock")) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(e),
    };
    take(&file)?;
    Ok(Some(file))
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

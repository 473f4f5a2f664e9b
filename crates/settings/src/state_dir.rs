//! The state directory: its lock, and opening it as its owner for work beside a daemon or without one.
//!
//! The daemon takes the lock for as long as it runs (cacheprogd: serve/mod.rs). What is inside of the directory is the store's.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use store::{Access, Mode, Store};

use crate::error::StateError;

/// Which store to work on.
#[derive(Debug, Clone, clap::Args)]
pub struct StateDir {
    /// The store: the daemon's state directory, or one of `cacheprog-client --store`.
    #[arg(long, value_name = "DIR", env = "CACHE_DIRECTORY", default_value = DEFAULT)]
    pub state_dir: PathBuf,
}

/// Where the units keep the daemon's state.
const DEFAULT: &str = "/var/cache/nix-gocacheprog";

impl StateDir {
    /// Whether it is the directory that the units of a system have.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.state_dir == Path::new(DEFAULT)
    }

    /// Opens the store in this directory as the directory's owner. The owner of the directory counts, and nothing inside of it: the
    /// owner can put anything there. From then on root can do no more than the owner can. A dry run changes nothing.
    ///
    /// # Errors
    /// A [`StateError`] where there is no store, it cannot be opened, or a daemon of an earlier version has it, which does not
    /// know the present format.
    pub fn open(&self, mode: Mode) -> Result<Store, StateError> {
        let path = self.state_dir.clone();
        let held = File::options().read(true).custom_flags(DIRECTORY).open(&path);
        let held = held.map_err(|source| StateError::at(&path, source))?;
        let owner = held.metadata().map_err(|e| StateError::System("looking at the state directory", e))?;
        become_owner(owner.uid(), owner.gid())
            .map_err(|e| StateError::System("taking the store's owner's uid", e.into()))?;
        // The directories above may be closed to the owner (systemd's /var/cache/private): the open descriptor still leads there.
        let dir = match fs::metadata(&path) {
            Ok(_) => path.clone(),
            Err(_) => format!("/proc/self/fd/{}", held.into_raw_fd()).into(),
        };
        match fs::symlink_metadata(dir.join("format")) {
            Ok(format) if format.is_file() => self.open_beside(&dir, mode),
            Ok(_) => Err(StateError::NoStore { path, source: ErrorKind::InvalidInput.into() }),
            Err(source) => Err(StateError::at(&path, source)),
        }
    }

    fn open_beside(&self, dir: &Path, mode: Mode) -> Result<Store, StateError> {
        let seen = Store::open_read_only(dir)?;
        let is_former = seen.had_former_format();
        // Held until the format is the present one, so that no daemon of an earlier version starts in between.
        let held = if is_former { lock_state_dir(dir, File::try_lock_shared) } else { Ok(None) };
        let _held = held.map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => StateError::EarlierDaemon { path: self.state_dir.clone() },
            _ => StateError::System("locking the state directory", e),
        })?;
        let (store, said) = match mode {
            Mode::DryRun => (seen, "the entries are of an earlier version, which this one does not read"),
            Mode::Apply => (Store::open(dir, Access::Owner)?, store::FORMER_FORMAT_NOTICE),
        };
        if is_former {
            log::warn!("{}: {said}", self.state_dir.display());
        }
        Ok(store.beside_daemon())
    }
}

/// Takes the lock that a daemon has on its state directory for as long as it runs; `None` where no daemon has made the file.
///
/// # Errors
/// `WouldBlock` where a daemon has it; other errors of the system.
pub fn lock_state_dir(dir: &Path, take: fn(&File) -> Result<(), TryLockError>) -> io::Result<Option<File>> {
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

/// Root works as the store's owner, so that no file of root's is left there.
fn become_owner(uid: u32, gid: u32) -> nix::Result<()> {
    if !Uid::effective().is_root() || uid == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

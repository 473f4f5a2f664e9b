//! What one sandboxed build sees and what it keeps for itself.
//!
//! ```text
//! builds/<build id>/          0711
//!     build.json              0600, what the daemon must know after a restart (the daemon's own format)
//!     view/                   0711, mounted in the sandbox as /gocache
//!         sock                0666, the build's socket (the daemon's)
//!         o/<output id>       0444, the outputs this build asked for or put; o itself cannot be listed by the build
//!     records/<1 hex>/<id>    records of actions that are true for this build only
//! ```
//!
//! The rule to keep: below `view` there is nothing but what the build has named or put itself.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::{ActionId, BuildId, OutputId};

use crate::actions::{Actions, names};
use crate::doubt::Doubt;
use crate::layout::{Existing, make_dir};
use crate::object::{State, is_whole, state};
use crate::place::{relink, write_small};
use crate::publish::{copy, publish_file};
use crate::{Incoming, Put, Record, Store, StoreError};

/// How a build gets to see an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// By a hard link: the build runs under another uid, which cannot change the bytes.
    Link,
    /// By a copy (a reflink where the file system has them): the build runs under our own uid.
    Copy,
}

/// Directories of a private record that are made where they are missing: `records/<1 hex>`.
const PRIVATE_LEVELS: usize = 2;

/// The directory of a live build.
#[derive(Debug)]
pub struct BuildDir {
    id: BuildId,
    dir: PathBuf,
    outputs: PathBuf,
    tmp: PathBuf,
    private: Actions,
    doubt: Doubt,
}

impl Store {
    /// Makes the directory of a new build.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be made; what was made of it is removed.
    pub fn create_build(&self, id: BuildId) -> Result<BuildDir, StoreError> {
        self.layout.make()?; // should somebody have removed it under the running daemon
        let build = self.open_build(id);
        let made = build.make();
        if made.is_err() {
            drop(build.retire().and_then(|aside| remove_leftover(&aside)));
        }
        made.map(|()| build)
    }

    /// The directory of a build made before.
    #[must_use]
    pub fn open_build(&self, id: BuildId) -> BuildDir {
        let dir = self.layout.build(&id);
        let outputs = dir.join("view/o");
        let private = Actions::new(dir.join("records"), self.layout.tmp().to_owned(), PRIVATE_LEVELS);
        BuildDir { id, dir, outputs, tmp: self.layout.tmp().to_owned(), private, doubt: self.layout.doubt().clone() }
    }

    /// What an earlier process left unpublished or half removed, and the records of the format before. Only for whoever has the
    /// store for itself: what others are writing now is among it.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be listed.
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, StoreError> {
        let unfinished = names(self.layout.tmp())?.into_iter().map(|name| self.layout.tmp().join(name));
        Ok(unfinished.chain(self.layout.former_records()).collect())
    }

    /// The builds that have a directory.
    ///
    /// # Errors
    /// A [`StoreError`] where they cannot be listed.
    pub fn builds(&self) -> Result<Vec<BuildId>, StoreError> {
        Ok(names(&self.layout.builds())?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Shows an object to a build, if that takes no reading.
    ///
    /// # Errors
    /// A [`StoreError`] where it is there and cannot be shown.
    pub fn show(&self, build: &BuildDir, object: (OutputId, u64), sharing: Sharing) -> Result<Shown, StoreError> {
        let (output, size) = object;
        let (path, shown, doubt) = (self.layout.object(&output), build.output(&output), self.layout.doubt());
        let is_shown = || Ok(state(&shown, &output, size, doubt)? == State::Whole);
        if is_shown()? {
            return Ok(Shown::Yes); // asked for before, by this or another go command of the build
        }
        match state(&path, &output, size, doubt)? {
            State::Whole => {}
            State::Absent => return Ok(Shown::No),
            State::Doubted | State::Touched => return Ok(Shown::Unread),
        }
        let copied = || copy(&path, (&build.tmp, &shown), &output).map(|()| Shown::Yes);
        let linked = match sharing {
            Sharing::Link => link(&path, &build.tmp, &shown),
            Sharing::Copy => return copied(),
        };
        match linked {
            Ok(()) if is_shown()? => Ok(Shown::Yes),
            Ok(()) => Ok(Shown::No), // written to in between: a miss
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(Shown::No), // evicted in between
            // The object has as many links as the file system allows (65,000 on ext4).
            Err(StoreError::Io { source, .. }) if is_too_many_links(&source) => copied(),
            Err(e) => Err(e),
        }
    }

    /// Reads an object of which [`Store::show`] said that it must be read. False if it holds something else, and is gone.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be read.
    pub fn read(&self, (output, size): (OutputId, u64)) -> Result<bool, StoreError> {
        is_whole(&self.layout.object(&output), &output, size, self.layout.doubt())
    }
}

/// Whether a build can see an output now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It can.
    Yes,
    /// There is none, or none that is whole.
    No,
    /// Its file must be read first: it may not have reached the disk, or something wrote to it.
    Unread,
}

impl BuildDir {
    /// The build.
    #[must_use]
    pub fn id(&self) -> BuildId {
        self.id
    }

    /// The directory to mount in the sandbox.
    #[must_use]
    pub fn view(&self) -> PathBuf {
        self.dir.join("view")
    }

    /// Where the daemon keeps what it must know of the build after a restart.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.dir.join("build.json")
    }

    /// Writes the state file.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be written.
    pub fn write_state(&self, bytes: &[u8]) -> Result<(), StoreError> {
        write_small(&self.tmp, &self.state_file(), bytes, 0)
    }

    /// Keeps a body for this build alone.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be written.
    pub fn keep(&self, put: &Put<'_>, body: &mut Incoming) -> Result<(), StoreError> {
        let shown = self.output(&body.output());
        if state(&shown, &body.output(), body.size(), &self.doubt)? != State::Whole {
            publish_file(body, &self.tmp, &shown, 0)?;
        }
        let record = Record {
            kind: body.kind(),
            output: body.output(),
            size: body.size(),
            time: put.time,
            cost_ms: 0,
            origin: put.origin.clone(),
            condition: None,
        };
        self.private.write(&put.action, &[record])
    }

    /// Forgets what the build keeps for itself of an action.
    ///
    /// # Errors
    /// A [`StoreError`] where it stays.
    pub fn forget(&self, action: &ActionId) -> Result<(), StoreError> {
        self.private.keep(action, |_| false)
    }

    /// What this build keeps for itself of an action. Whether its output can be seen, [`BuildDir::look`] tells.
    ///
    /// # Errors
    /// A [`StoreError`] where the record is damaged or cannot be read: a miss.
    pub fn find(&self, action: &ActionId, now: SystemTime) -> Result<Option<Record>, StoreError> {
        Ok(self.private.find(action, now)?.into_iter().next())
    }

    /// Whether the build can see this output.
    ///
    /// # Errors
    /// A [`StoreError`] where its file cannot be looked at.
    pub fn look(&self, (output, size): (OutputId, u64)) -> Result<Shown, StoreError> {
        Ok(match state(&self.output(&output), &output, size, &self.doubt)? {
            State::Whole => Shown::Yes,
            State::Absent => Shown::No,
            State::Doubted | State::Touched => Shown::Unread,
        })
    }

    /// As [`Store::read`], of an output of which [`BuildDir::look`] said that it must be read.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read(&self, (output, size): (OutputId, u64)) -> Result<bool, StoreError> {
        is_whole(&self.output(&output), &output, size, &self.doubt)
    }

    /// Takes the build's directory away in one step; what is returned is to be removed with [`remove_leftover`], which
    /// may take a while.
    ///
    /// # Errors
    /// A [`StoreError`] where it stays.
    pub fn retire(&self) -> Result<PathBuf, StoreError> {
        let aside = self.tmp.join(format!("ended-{}", self.id));
        #[expect(clippy::disallowed_methods, reason = "nothing becomes visible by it, on the contrary")]
        match fs::rename(&self.dir, &aside) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::at("setting aside", &self.dir)(e)),
            _ => Ok(aside),
        }
    }

    fn make(&self) -> Result<(), StoreError> {
        for (dir, mode) in [("", 0o711), ("view", 0o711), ("view/o", 0o711)] {
            make_dir(&self.dir.join(dir), mode, Existing::Leave)?;
        }
        Ok(())
    }

    fn output(&self, output: &OutputId) -> PathBuf {
        self.outputs.join(output.to_string())
    }
}

/// Removes a file or a whole directory that nobody uses any more: what [`BuildDir::retire`] or [`Store::leftovers`] named.
///
/// # Errors
/// A [`StoreError`] where something of it stays.
pub fn remove_leftover(path: &Path) -> Result<(), StoreError> {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|m| m.is_dir());
    #[expect(clippy::disallowed_methods, reason = "the one place that removes a tree")]
    let removed = if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::at("removing", path)(e)),
        _ => Ok(()),
    }
}

/// Links `to` to `from`. What stands there already is the same file, or another one, which is replaced.
fn link(from: &Path, tmp: &Path, to: &Path) -> Result<(), StoreError> {
    match fs::hard_link(from, to) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        other => return other.map_err(StoreError::at("linking", from)),
    }
    // Two sessions of the build may have come here at once.
    let inode = |path| fs::symlink_metadata(path).map(|m| m.ino()).ok();
    if inode(from).is_some_and(|from| inode(to) == Some(from)) {
        return Ok(());
    }
    relink(from, tmp, to)
}

fn is_too_many_links(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MLINK.raw_os_error())
}

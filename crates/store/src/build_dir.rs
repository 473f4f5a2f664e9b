//! The directory of one live build: what the build sees, and what it keeps for itself.
//!
//! ```text
//! builds/<build id>/          0711
//!     build.json              0600, what the daemon must know after a restart (the daemon's own format)
//!     view/                   0711, mounted in the sandbox as /gocache
//!         sock                0666, the build's socket (the daemon's)
//!         o/<output id>       0444, the outputs this build asked for or put; o itself cannot be listed by the build
//!         table, p/<link>     0644, 0444, what it is expected to ask for (blinded_table.rs), with `secret` beside the view
//!     records/<1 hex>/<id>    records of actions that are true for this build and one of its GOCACHEs only: the id is a hash of
//!                             the action's and of the GOCACHE
//! ```
//!
//! The rule to keep: below `view` a build finds nothing except what it can name or put itself.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::{ActionId, BuildId, Output, OutputId};
use rustix::fs::{Mode, OFlags};

use crate::dirs::{Existing, make_dir, remove_leftover};
use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::format::record::Record;
use crate::object::atomic_rename::{relink, write_small};
use crate::object::integrity_mtime::{State, is_whole, state};
use crate::object::publish::{copy, is_link_refused, publish_file};
use crate::object::staged_body::StagedBody;
use crate::open;
use crate::put::Put;
use crate::record_dir::RecordDir;
use crate::unsynced::UnsyncedSpans;

/// How an object is exposed to a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// By a hard link: the build runs under another uid, which cannot change the bytes.
    Link,
    /// By a copy (a reflink where the file system has them): the build runs under our own uid.
    Copy,
}

/// Whether a build can see an output now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposed {
    /// It can.
    Yes,
    /// There is none, or none that is whole.
    No,
    /// Its file is to be verified first: it may not have reached the disk, or something wrote to it.
    Unverified,
}

impl From<State> for Exposed {
    fn from(state: State) -> Self {
        match state {
            State::Whole => Self::Yes,
            State::Absent => Self::No,
            State::Unsynced | State::Modified => Self::Unverified,
        }
    }
}

/// Directories of a private record that are made where they are missing: `records/<1 hex>`.
const PRIVATE_LEVELS: usize = 2;

/// The directory of a live build.
#[derive(Debug)]
pub struct BuildDir {
    id: BuildId,
    dir: PathBuf,
    outputs: PathBuf,
    private: RecordDir,
    layout: Layout,
    unsynced: UnsyncedSpans,
}

impl BuildDir {
    /// Makes the directory of a new build.
    pub(crate) fn create(layout: &Layout, unsynced: &UnsyncedSpans, id: BuildId) -> Result<Self, StoreError> {
        open::make_directories(layout)?; // should it have been removed under the running daemon
        let build = Self::open(layout, unsynced, id);
        let made = build.make();
        if made.is_err() {
            drop(build.retire().and_then(|aside| remove_leftover(&aside)));
        }
        made.map(|()| build)
    }

    /// The directory of a build made before.
    pub(crate) fn open(layout: &Layout, unsynced: &UnsyncedSpans, id: BuildId) -> Self {
        let dir = layout.build(&id);
        let (outputs, private) = (outputs_of(layout, &id), private_records(layout, &id));
        Self { id, dir, outputs, private, layout: layout.clone(), unsynced: unsynced.clone() }
    }

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
        write_small(self.layout.tmp(), &self.state_file(), bytes, 0)
    }

    /// Exposes an object of the store to the build, if it need not be read for that.
    ///
    /// # Errors
    /// A [`StoreError`] where it is there and cannot be exposed.
    pub fn expose(&self, output: Output, exposure: Exposure) -> Result<Exposed, StoreError> {
        if self.exposed(output)? == Exposed::Yes {
            return Ok(Exposed::Yes); // asked for before, by this or another go command of the build
        }
        let object = self.layout.object(&output.id);
        match Exposed::from(state(&object, output, &self.unsynced)?) {
            Exposed::Yes => {}
            other => return Ok(other),
        }
        let path = self.output(&output.id);
        let copied = || {
            let outputs = self.open_outputs()?;
            copy(&object, (self.layout.tmp(), &below(&outputs, &output.id)), output, 0).map(|()| Exposed::Yes)
        };
        if exposure == Exposure::Copy {
            return copied();
        }
        match link(&object, self.layout.tmp(), &path) {
            Ok(()) if self.exposed(output)? == Exposed::Yes => Ok(Exposed::Yes),
            Ok(()) => Ok(Exposed::No), // written to in between: a miss
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(Exposed::No), // evicted in between
            Err(StoreError::Io { source, .. }) if is_link_refused(&source) => copied(),
            Err(e) => Err(e),
        }
    }

    /// As [`BuildDir::expose`], of an object that was put just now ([`crate::Published::New`] or [`crate::Published::Again`]). The
    /// put has made it, or has compared it with the body, so it is not looked at again where a link to it can be made at once.
    /// While there are spans to verify, it is: the comparison read what the kernel remembers, and not what the disk has.
    ///
    /// # Errors
    /// As [`BuildDir::expose`].
    pub fn expose_published(&self, output: Output, exposure: Exposure) -> Result<Exposed, StoreError> {
        let link = || fs::hard_link(self.layout.object(&output.id), self.output(&output.id));
        if exposure == Exposure::Link && self.unsynced.is_empty() && link().is_ok() {
            return Ok(Exposed::Yes);
        }
        self.expose(output, exposure) // the build sees it already, say
    }

    /// Whether the build can see this output.
    ///
    /// # Errors
    /// A [`StoreError`] where its file cannot be looked at.
    pub fn exposed(&self, output: Output) -> Result<Exposed, StoreError> {
        state(&self.output(&output.id), output, &self.unsynced).map(Exposed::from)
    }

    /// Whether the build has an output as a whole; what is to be verified for that is verified.
    pub(crate) fn has_whole(&self, output: Output) -> Result<bool, StoreError> {
        match self.exposed(output)? {
            Exposed::Yes => Ok(true),
            Exposed::No => Ok(false),
            Exposed::Unverified => self.verify(output),
        }
    }

    /// Reads an output of which [`BuildDir::exposed`] said that it is to be verified. False if it holds something else, and is
    /// gone.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be read.
    pub fn verify(&self, output: Output) -> Result<bool, StoreError> {
        is_whole(&self.output(&output.id), output, &self.unsynced)
    }

    /// Keeps a body for this build and this GOCACHE alone.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be written.
    pub fn keep(&self, gocache: &str, put: &Put<'_>, body: &mut StagedBody) -> Result<(), StoreError> {
        let output = body.output();
        if self.exposed(output)? != Exposed::Yes {
            let outputs = self.open_outputs()?;
            let path = below(&outputs, &output.id);
            publish_file(body, self.layout.tmp(), &path, 0)?;
            body.is_also_at(&path, self.output(&output.id)); // the descriptor is closed
        }
        self.note(gocache, &put.action, put.record(body))
    }

    /// Notes an output that was exposed as the build's own in this GOCACHE, without the condition under which it has it.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be written.
    pub fn note(&self, gocache: &str, action: &ActionId, record: Record) -> Result<(), StoreError> {
        self.private.write(&private_action(gocache, action), &[Record { condition: None, ..record }])
    }

    /// Forgets what the build keeps for itself of an action.
    ///
    /// # Errors
    /// A [`StoreError`] where it stays.
    pub fn forget(&self, gocache: &str, action: &ActionId) -> Result<(), StoreError> {
        self.private.retain(&private_action(gocache, action), |_| false)
    }

    /// What this build keeps for itself of an action in this GOCACHE. Whether its output can be seen, [`BuildDir::exposed`] says.
    ///
    /// # Errors
    /// A [`StoreError`] where the record is damaged or cannot be read: a miss.
    pub fn get(&self, gocache: &str, action: &ActionId, now: SystemTime) -> Result<Option<Record>, StoreError> {
        Ok(self.private.read_for_use(&private_action(gocache, action), now)?.into_iter().next())
    }

    /// Takes the build's directory away in one step; what is returned is to be removed with [`remove_leftover`], which
    /// may take a while.
    ///
    /// # Errors
    /// A [`StoreError`] where it stays.
    pub fn retire(&self) -> Result<PathBuf, StoreError> {
        let aside = self.layout.tmp().join(format!("ended-{}", self.id));
        #[expect(clippy::disallowed_methods, reason = "nothing becomes visible by it, on the contrary")]
        match fs::rename(&self.dir, &aside) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::at("setting aside", &self.dir)(e)),
            _ => Ok(aside),
        }
    }

    pub(crate) fn write_secret(&self, secret: &[u8]) -> Result<(), StoreError> {
        write_small(self.layout.tmp(), &self.dir.join("secret"), secret, 0)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn unsynced(&self) -> &UnsyncedSpans {
        &self.unsynced
    }

    fn make(&self) -> Result<(), StoreError> {
        for (dir, mode) in [("", 0o711), ("view", 0o711), ("view/o", 0o711)] {
            make_dir(&self.dir.join(dir), mode, Existing::Leave)?;
        }
        Ok(())
    }

    pub(crate) fn output(&self, output: &OutputId) -> PathBuf {
        self.outputs.join(output.to_string())
    }

    /// The directory of outputs, for writing a file to it. A build under our own uid may have put a link in its place, which would
    /// lead out of its sandbox.
    fn open_outputs(&self) -> Result<OwnedFd, StoreError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&self.outputs, flags, Mode::empty());
        opened.map_err(|e| StoreError::at("opening", &self.outputs)(e.into()))
    }
}

/// An output's path in an open directory.
fn below(outputs: &OwnedFd, output: &OutputId) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{output}", outputs.as_raw_fd()))
}

/// Where the outputs are that a build can see.
pub(crate) fn outputs_of(layout: &Layout, id: &BuildId) -> PathBuf {
    layout.build(id).join("view/o")
}

/// What a build keeps for itself.
pub(crate) fn private_records(layout: &Layout, id: &BuildId) -> RecordDir {
    RecordDir::new(layout.build(id).join("records"), layout.tmp().to_owned(), PRIVATE_LEVELS)
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
    relink(from, tmp, to, 0)
}

/// The name under which a build keeps the record of an action for one GOCACHE.
fn private_action(gocache: &str, action: &ActionId) -> ActionId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"nix-gocacheprog private").update(&action.0).update(gocache.as_bytes());
    ActionId(*hasher.finalize().as_bytes())
}

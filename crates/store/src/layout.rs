//! Where things are in the state directory: the only file that knows the names, and the only one that makes the tree.
//!
//! ```text
//! format                                  "nix-gocacheprog store 2"
//! objects/<1 hex>/<output id>             a body, 0444
//! records/<namespace>/<1 hex>/<action id> the records of an action
//! builds/<build id>/                      a live build (build.rs)
//! tmp/                                    unpublished files
//! beside/                                 those of programs that work beside a daemon
//! ```

use std::fs::{self, DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use proto::{BuildId, OutputId};

use crate::doubt::Doubt;
use crate::{Namespace, StoreError};

/// What the `format` file says. Another number is another layout, which this code does not touch, but for the one before.
pub const FORMAT: &str = "nix-gocacheprog store 2\n";

/// The format before. Its objects, builds and what was synced are as now. Its records are in a directory of their own,
/// [`FORMER_RECORDS`], which nothing reads any more: a sweep removes it, and so does a daemon at its start.
const FORMER: &str = "nix-gocacheprog store 1\n";
const FORMER_RECORDS: &str = "actions";

/// Unpublished files of the daemon, or of the programs that share a store of no daemon.
const TMP: &str = "tmp";

/// Those of programs that work beside a daemon. It is made by who needs it.
const BESIDE: &str = "beside";

/// What a program says that opened a store of the format before.
pub const SET_ASIDE: &str = "the entries are of an earlier version, which this one does not read: \
    they are set aside and removed, and what they stood for is built once more";

/// Who may walk through the store's directories. Nobody but the owner may list one, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The owner alone.
    Owner,
    /// Everyone: Nix mounts the directory of a build out of it, and cannot pass through another user's 0700
    /// directories when it does (docs/facts/nix.md, "Mounts").
    Traversable,
}

impl Access {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o700,
            Self::Traversable => 0o711,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    access: Access,
    doubt: Doubt,
    /// Where unfinished files are: [`TMP`] or [`BESIDE`].
    tmp: PathBuf,
    /// It had the format before when it was opened.
    was_former: bool,
}

impl Layout {
    pub(crate) fn open(root: &Path, access: Access) -> Result<Self, StoreError> {
        // Paths are handed out and must not depend on anyone's working directory.
        let root = std::path::absolute(root).map_err(StoreError::at("finding", root))?;
        let mut layout = Self { tmp: root.join(TMP), root, access, doubt: Doubt::default(), was_former: false };
        layout.was_former = layout.make()?;
        Ok(layout)
    }

    /// As [`Layout::open`], for who only looks: nothing is made or changed.
    pub(crate) fn look(root: &Path) -> Result<Self, StoreError> {
        let root = std::path::absolute(root).map_err(StoreError::at("finding", root))?;
        let was_former = read_format(&root.join("format"))? == FORMER;
        Ok(Self { tmp: root.join(TMP), root, access: Access::Owner, doubt: Doubt::default(), was_former })
    }

    /// Makes what is missing of the tree. True if its records were of the format before.
    pub(crate) fn make(&self) -> Result<bool, StoreError> {
        make_dir(&self.root, self.access.mode(), Existing::Widen)?;
        let was_former = self.check_format()?;
        for (dir, mode) in [("objects", 0o700), ("records", 0o700), ("builds", self.access.mode()), (TMP, 0o700)] {
            make_dir(&self.root.join(dir), mode, Existing::Leave)?;
        }
        Ok(was_former)
    }

    pub(crate) fn was_former(&self) -> bool {
        self.was_former
    }

    /// The records of the format before, as long as they are there.
    pub(crate) fn former_records(&self) -> Option<PathBuf> {
        Some(self.root.join(FORMER_RECORDS)).filter(|dir| dir.exists())
    }

    /// See [`Doubt`]; for whoever has the store for itself so far.
    pub(crate) fn set_doubt(&mut self, doubt: Doubt) {
        self.doubt = doubt;
    }

    pub(crate) fn doubt(&self) -> &Doubt {
        &self.doubt
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where unpublished files of this process are; it may be missing.
    pub(crate) fn tmp(&self) -> &Path {
        &self.tmp
    }

    pub(crate) fn set_beside(&mut self) {
        self.tmp = self.root.join(BESIDE);
    }

    /// Where unpublished files of any process are.
    pub(crate) fn unfinished(&self) -> [PathBuf; 2] {
        [TMP, BESIDE].map(|dir| self.root.join(dir))
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(crate) fn object(&self, output: &OutputId) -> PathBuf {
        self.root.join(object_name(output))
    }

    pub(crate) fn all_records(&self) -> PathBuf {
        self.root.join("records")
    }

    pub(crate) fn records(&self, namespace: &Namespace) -> PathBuf {
        self.all_records().join(namespace.name())
    }

    pub(crate) fn builds(&self) -> PathBuf {
        self.root.join("builds")
    }

    pub(crate) fn build(&self, id: &BuildId) -> PathBuf {
        self.builds().join(id.to_string())
    }

    fn check_format(&self) -> Result<bool, StoreError> {
        let path = self.root.join("format");
        let found = read_format(&path)?;
        if found == FORMAT {
            return Ok(false);
        }
        // Several processes may come here at once: all write the same bytes.
        let mut file = fs::File::create(&path).map_err(StoreError::at("creating", &path))?;
        file.write_all(FORMAT.as_bytes()).map_err(StoreError::at("writing", &path))?;
        Ok(found == FORMER)
    }
}

/// What a `format` file says: ours, the one before, or nothing where it is missing or a crash came right after it was made.
fn read_format(path: &Path) -> Result<String, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) if text.is_empty() || text == FORMAT || text == FORMER => Ok(text),
        Ok(text) => Err(StoreError::Format { path: path.to_owned(), found: text.trim().chars().take(80).collect() }),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(StoreError::at("reading", path)(e)),
    }
}

pub(crate) fn object_name(output: &OutputId) -> String {
    let name = output.to_string();
    format!("objects/{}/{name}", &name[..1])
}

/// `dir/<first character>/<name>`: at a million entries a directory holds 62,000 names, which a survey has in memory at a time.
/// More directories were slower: making 512 of them took an eighth of the time of the first 1,000 puts (docs/explanation/performance.md).
pub(crate) fn fan_out(dir: &Path, name: &str) -> PathBuf {
    dir.join(&name[..1]).join(name)
}

/// What to do with a directory that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Leave its mode alone.
    Leave,
    /// Add the bits that the mode asks for, where it is ours.
    Widen,
}

/// Makes a directory with exactly this mode, whatever the umask.
pub(crate) fn make_dir(path: &Path, mode: u32, existing: Existing) -> Result<(), StoreError> {
    if existing == Existing::Widen
        && let Some(parent) = path.parent()
    {
        fs::create_dir_all(parent).map_err(StoreError::at("creating", parent))?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => return set_mode(path, mode),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(StoreError::at("creating", path)(e)),
    }
    let metadata = fs::metadata(path).map_err(StoreError::at("reading", path))?;
    if !metadata.is_dir() {
        return Err(StoreError::at("creating", path)(ErrorKind::NotADirectory.into()));
    }
    let now = metadata.mode() & 0o7777;
    if existing == Existing::Widen && now | mode != now {
        set_mode(path, now | mode)?;
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(StoreError::at("setting the mode of", path))
}

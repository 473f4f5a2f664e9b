//! Where things are in the state directory: the only file that knows the names. Pure; open.rs makes the directories.
//!
//! ```text
//! format                                  "nix-gocacheprog store 2"
//! objects/<1 hex>/<output id>             a body, 0444
//! records/<namespace>/<1 hex>/<action id> the records of an action
//! builds/<build id>/                      a live build (build_dir.rs)
//! counts                                  how much is in the store (counters.rs)
//! doubt, synced, boot                     what may not have reached the disk (recovery.rs)
//! tmp/                                    unpublished files
//! beside/                                 those of programs that work beside a daemon
//! ```

use std::path::{Path, PathBuf};

use proto::{BuildId, OutputId};

use crate::format::namespace::Namespace;

/// What the `format` file says. Another number is another layout, which this code does not touch, except for the one before.
pub const FORMAT: &str = "nix-gocacheprog store 2\n";

/// The format before. Its objects, builds and what was synced are as now. Its records are in a directory of their own,
/// `FORMER_RECORDS`, which nothing reads any more: a sweep removes it, and so does a daemon at its start.
pub const FORMER_FORMAT: &str = "nix-gocacheprog store 1\n";
const FORMER_RECORDS: &str = "actions";

/// Unpublished files of the daemon, or of the programs that share a store without a daemon.
const TMP: &str = "tmp";

/// Those of programs that work beside a daemon. It is made when it is first needed.
const BESIDE: &str = "beside";

/// Who may walk through the store's directories. Only the owner may list one, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The owner alone.
    Owner,
    /// Everyone: Nix mounts the directory of a build out of it, and cannot pass through another user's 0700
    /// directories when it does (docs/facts/nix.md, "Mounts").
    Traversable,
}

impl Access {
    pub(crate) fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o700,
            Self::Traversable => 0o711,
        }
    }
}

/// The paths of one store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    access: Access,
    /// Where unfinished files are: [`TMP`] or [`BESIDE`].
    tmp: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf, access: Access) -> Self {
        Self { tmp: root.join(TMP), root, access }
    }

    /// The same store, for a program that works beside a daemon.
    pub(crate) fn beside_daemon(self) -> Self {
        Self { tmp: self.root.join(BESIDE), ..self }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Where unpublished files of this process are; it may be missing.
    pub(crate) fn tmp(&self) -> &Path {
        &self.tmp
    }

    /// Where unpublished files of any process are.
    pub(crate) fn unfinished(&self) -> [PathBuf; 2] {
        [TMP, BESIDE].map(|dir| self.root.join(dir))
    }

    /// The directories that every store has, below its root, with their modes.
    pub(crate) fn directories(&self) -> [(PathBuf, u32); 4] {
        let directories = [("objects", 0o700), ("records", 0o700), ("builds", self.access.mode()), (TMP, 0o700)];
        directories.map(|(dir, mode)| (self.root.join(dir), mode))
    }

    pub(crate) fn format_file(&self) -> PathBuf {
        self.root.join("format")
    }

    /// The spans of time whose files are to be verified.
    pub(crate) fn unsynced_file(&self) -> PathBuf {
        self.root.join("doubt")
    }

    /// When the last sync began.
    pub(crate) fn synced_file(&self) -> PathBuf {
        self.root.join("synced")
    }

    /// The boot in which the store was last opened without a daemon. A store of a daemon has none.
    pub(crate) fn boot_file(&self) -> PathBuf {
        self.root.join("boot")
    }

    pub(crate) fn counts_file(&self) -> PathBuf {
        self.root.join("counts")
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

    /// The records of the format before, which may be missing.
    pub(crate) fn former_records(&self) -> PathBuf {
        self.root.join(FORMER_RECORDS)
    }

    pub(crate) fn builds(&self) -> PathBuf {
        self.root.join("builds")
    }

    pub(crate) fn build(&self, id: &BuildId) -> PathBuf {
        self.builds().join(id.to_string())
    }
}

pub(crate) fn object_name(output: &OutputId) -> String {
    let name = output.to_string();
    format!("objects/{}/{name}", &name[..1])
}

/// `dir/<first character>/<name>`: at a million entries a directory holds 62,000 names, which a scan has in memory at a time.
/// More directories were slower: making 512 of them took an eighth of the time of the first 1,000 puts
/// (docs/explanation/performance.md).
pub(crate) fn fan_out(dir: &Path, name: &str) -> PathBuf {
    dir.join(&name[..1]).join(name)
}

/// Whether a directory of this name is one of a fan-out.
pub(crate) fn is_fan_out(name: &str) -> bool {
    name.len() == 1 && name.bytes().all(|c| c.is_ascii_hexdigit())
}

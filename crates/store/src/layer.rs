//! A layer: a store that is only read, below the one that a program writes. It may belong to another user, lie on a file system that
//! is mounted read-only, or be a path of the Nix store. Nothing in it is made, changed, marked or removed.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use proto::{ActionId, Output, OutputId};

use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::format::record::Conditional;
use crate::get::Found;
use crate::object::integrity_mtime::{holds, open_regular};
use crate::open;
use crate::record_dir::RecordDir;
use crate::view::View;

/// Where a path has one content for as long as it exists (Nix: a valid path is never written to again).
const NIX_STORE: &str = "/nix/store";

/// A store that is only read.
#[derive(Debug)]
pub struct Layer {
    layout: Layout,
    /// It is a path of the Nix store, which proves its content.
    is_fixed: bool,
    /// Objects that were read, and hold what their names say. Held while one is read: a go command asks for one after the other.
    verified: Mutex<HashSet<OutputId>>,
}

impl Layer {
    /// Opens the layer in `root`.
    ///
    /// # Errors
    /// A [`StoreError`] that names the path: there is no store of this format, or it cannot be read.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        // Links are followed once: the path that is given out stays the same.
        let root = fs::canonicalize(root).map_err(StoreError::at("opening the layer", root))?;
        let is_fixed = root.starts_with(NIX_STORE) && is_valid(&root);
        Ok(Self { layout: open::open_existing(&root)?, is_fixed, verified: Mutex::default() })
    }

    /// Its directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Whether there is anything in it that this view reads: entries of its toolchain.
    #[must_use]
    pub fn has(&self, view: &View) -> bool {
        view.reads.iter().any(|namespace| self.layout.records(namespace).is_dir())
    }

    /// What is known of an action. Only what is the same on each machine: neither what is private or keyed by mtimes nor results of
    /// tests, which are true where they were put. What cannot be read is not known.
    #[must_use]
    pub fn get(&self, view: &View, action: &ActionId) -> Found {
        let mut found = Found::default();
        for namespace in &view.reads {
            let records = RecordDir::new(self.layout.records(namespace), self.layout.tmp().to_owned(), 0);
            let mut known = records.read(action).unwrap_or_default();
            // One that is withheld where it was made says nothing of the others.
            if known.iter().any(|record| record.is_quarantined) {
                continue;
            }
            known.retain(|record| record.is_of_any_machine(Conditional::All));
            found.add(view, known);
        }
        found
    }

    /// The file of an output, if it is there as a whole. Outside of the Nix store it is read once, by the first who asks.
    #[must_use]
    pub fn object(&self, output: Output) -> Option<PathBuf> {
        let path = self.layout.object(&output.id);
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() != output.size {
            return None;
        }
        if !self.is_fixed {
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            if !verified.contains(&output.id) {
                holds(&path, &output.id).ok().filter(|holds| *holds)?;
                verified.insert(output.id);
            }
        }
        Some(path)
    }

    /// The file of an output, opened, for a program that verifies what it reads. `None` where it cannot be opened.
    #[must_use]
    pub fn open_object(&self, output: &OutputId) -> Option<File> {
        open_regular(&self.layout.object(output)).ok()
    }
}

/// Whether a path of the Nix store is finished: Nix makes it read-only, and sets its mtime to 1, when it becomes valid
/// (libstore/posix-fs-canonicalise.cc `canonicaliseTimestampAndPermissions`, Nix 2.8-2.26). Of a path within one the same is true.
fn is_valid(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.mtime() == 1 && about.mode() & 0o222 == 0)
}

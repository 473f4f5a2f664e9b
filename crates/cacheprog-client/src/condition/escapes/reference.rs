//! Paths that a text names and that may lead out of a module.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// More of them than a module has that does not try.
const MOST: usize = 4000;

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reference {
    /// This path, whether something is there or not: something may be there in another build.
    Certain(PathBuf),
    /// This path, if something is there. By its text it is one of several places.
    IfThere(PathBuf),
    /// This absolute path, if a file is there, or anything in the tree.
    IfFile(PathBuf),
    /// A Go source, which a condition without Go sources does not have.
    GoSource,
    /// More than are kept.
    TooMany,
}

/// What the texts of several files name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct References(BTreeSet<Reference>);

impl References {
    pub(crate) fn add(&mut self, reference: Reference) {
        if self.0.len() < MOST {
            self.0.insert(reference);
        } else {
            self.0.insert(Reference::TooMany);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter()
    }
}

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
    /// The same, in a question that has an answer where nothing is there; by its text it is one of several places.
    Asked(PathBuf),
    /// This path, if something is there. By its text it is one of several places.
    IfThere(PathBuf),
    /// This absolute path, if a file is there, or anything in the tree.
    IfFile(PathBuf),
    /// The same, in a script: a compiler refuses `#!`, and an assembler takes the line for none of its directives. So it matters where
    /// programs run.
    IfRun(PathBuf),
    /// This path, so many directories above a directory to which a link leads, if something is there: `link/../x`.
    AboveLink(usize, PathBuf),
    /// A Go source, which a condition without Go sources does not have.
    GoSource,
    /// This path in the module, which may be part of no scope.
    Own(PathBuf),
    /// Any path, or the time of a file: also where there are more references than are kept.
    Any,
}

/// Any path above a link: also where there are more than are kept.
pub(super) const ABOVE_ANY_LINK: Reference = Reference::AboveLink(0, PathBuf::new());

/// What the texts of several files name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct References {
    references: BTreeSet<Reference>,
    /// Those that matter only where there are links.
    above_links: BTreeSet<Reference>,
}

impl References {
    pub(crate) fn add(&mut self, reference: Reference) {
        let is_above_link = matches!(reference, Reference::AboveLink(..));
        let (set, rest) = if is_above_link {
            (&mut self.above_links, ABOVE_ANY_LINK)
        } else {
            (&mut self.references, Reference::Any)
        };
        set.insert(if set.len() < MOST { reference } else { rest });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter().chain(&self.above_links)
    }

    /// Takes out that a Go source is named, if it is: where the tree has its Go sources it leads nowhere else.
    pub(crate) fn take_go_source(&mut self) -> bool {
        self.references.remove(&Reference::GoSource)
    }

    /// Whether something may lead out by way of a link.
    pub(crate) fn lead_above_links(&self) -> bool {
        !self.above_links.is_empty()
    }
}

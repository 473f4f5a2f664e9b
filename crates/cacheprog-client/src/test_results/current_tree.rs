//! A tree that is read once in a go command, and again when it changed.

use std::time::SystemTime;

use super::budget::Budget;
use super::content_hash::ContentHashes;
use super::data_tree::DataTree;
use super::walk::{Extent, TreeBounds};

/// How often reading a tree may take too long before it is given up: a go command is not to wait for a slow disk again and again.
const TRIES: u32 = 3;

#[derive(Debug)]
pub(super) struct CurrentTree {
    extent: Extent,
    /// The tree, after it was read.
    tree: Option<DataTree>,
    /// How often reading it may still take too long.
    tries: u32,
}

impl CurrentTree {
    pub(super) fn new(extent: Extent) -> Self {
        Self { extent, tree: None, tries: TRIES }
    }

    /// The digest of what is there now. `None` where it cannot be told.
    pub(super) fn digest(&mut self, bounds: &TreeBounds<'_>, hashes: &mut ContentHashes) -> Option<&str> {
        if !self.tree.as_ref().is_some_and(|tree| tree.is_current(bounds.root)) {
            self.tree = None;
            let mut budget = match self.extent {
                Extent::Data => Budget::new(),
                Extent::All => Budget::of_tree(),
            };
            if self.tries > 0 {
                self.tree = DataTree::read(bounds, self.extent, hashes, &mut budget);
            }
            if self.tree.is_none() {
                // Each try begins with the hashes that the one before has read.
                let spent = if budget.is_spent() { TRIES } else { u32::from(budget.is_late()) };
                self.tries = self.tries.saturating_sub(spent);
            }
        }
        self.tree.as_ref().map(|tree| tree.digest.as_str())
    }

    /// Whether no file of what was read changed after `since`.
    pub(super) fn is_older(&self, since: SystemTime) -> bool {
        self.tree.as_ref().is_none_or(|tree| tree.is_older(since))
    }
}

//! What a get finds: the records of an action, as an answer. Whether an output's object is still whole is another question, which
//! is asked when it is exposed to a build or its path is given out.

use proto::ActionId;

use crate::format::record::Record;
use crate::view::View;

/// What is known of an action. Both may be there: a go command takes what it may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Its output for every build that asks.
    pub plain: Option<Record>,
    /// Its outputs under conditions, each in its record: the newest first.
    pub conditional: Vec<Record>,
    /// Something of it is in quarantine, and is not among these.
    pub is_quarantined: bool,
}

impl Found {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain.is_none() && self.conditional.is_empty()
    }

    /// Adds what a view takes of the records of one namespace. What was found in an earlier one comes first.
    pub(crate) fn add(&mut self, view: &View, records: Vec<Record>) {
        for record in records {
            if record.is_quarantined {
                self.is_quarantined = true;
            } else if !view.trusts(&record.origin) {
                // As if it was not there: what this build makes takes its place (put.rs).
            } else if record.condition.is_some() {
                self.conditional.push(record);
            } else {
                self.plain.get_or_insert(record);
            }
        }
    }
}

/// The action under which the list of a test's inputs is kept: one that cmd/go never asks for.
pub(crate) fn test_inputs_action(action: &ActionId) -> ActionId {
    ActionId(*blake3::Hasher::new().update(b"nix-gocacheprog test inputs").update(&action.0).finalize().as_bytes())
}

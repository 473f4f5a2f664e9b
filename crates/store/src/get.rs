//! What a get finds: the records of an action, as an answer. Whether an output's object is still whole is another question, which
//! is asked when it is exposed to a build or its path is given out.

use proto::{ActionId, Condition, Scope, ScopeDigest};

use crate::format::record::Record;

/// What is known of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It has this output for every build that asks.
    Plain(Record),
    /// It has these outputs where the scope has one of the digests: at most [`proto::limits::CONDITIONS`], the newest first, and
    /// at least one.
    Conditional(Scope, Vec<(ScopeDigest, Record)>),
}

impl Found {
    /// Of records with several scopes those of the newest count.
    pub(crate) fn of(records: Vec<Record>) -> Option<Self> {
        let first = records.first()?;
        let Some(Condition { scope, .. }) = first.condition.clone() else {
            return records.into_iter().next().map(Self::Plain);
        };
        let candidate = |record: Record| match &record.condition {
            Some(condition) if condition.scope == scope => Some((condition.digest, record)),
            Some(_) | None => None,
        };
        let candidates = records.into_iter().filter_map(candidate).collect();
        Some(Self::Conditional(scope, candidates))
    }
}

/// The action under which the list of a test's inputs is kept: one that cmd/go never asks for.
pub(crate) fn test_inputs_action(action: &ActionId) -> ActionId {
    ActionId(*blake3::Hasher::new().update(b"nix-gocacheprog test inputs").update(&action.0).finalize().as_bytes())
}

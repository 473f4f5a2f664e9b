//! Quarantine: takes an output out of service. Its record is marked, and stays in the place of any other; live builds forget that they
//! accepted it. What a go command was told stays where it is, as it may be read now; the next go command is told no more of it.

use std::collections::HashSet;

use proto::{ActionId, BuildId, Condition, OutputId};

use crate::build_dir::{outputs_of, private_records};
use crate::dirs::names;
use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::format::record::Record;
use crate::record_dir::RecordDir;

/// Takes an output of an action out of service, under this condition. The live builds to which it was exposed.
pub(crate) fn quarantine(
    layout: &Layout,
    records: &RecordDir,
    action: &ActionId,
    (output, condition): (&OutputId, Option<&Condition>),
) -> Result<Vec<BuildId>, StoreError> {
    let is_it = |known: &Record| known.output.id == *output && known.condition.as_ref() == condition;
    records.quarantine(action, is_it)?;
    forget_accepted(layout, &HashSet::from([*output]))
}

/// Makes the live builds to which one of these outputs was exposed forget what they accepted of others ([`crate::BuildDir::note`]
/// without a build): all of it, as the facts of vet are no answer without what it printed. What they made of it stays as it is.
/// Returns these builds.
pub(crate) fn forget_accepted(layout: &Layout, outputs: &HashSet<OutputId>) -> Result<Vec<BuildId>, StoreError> {
    let mut given = Vec::new();
    if outputs.is_empty() {
        return Ok(given);
    }
    let is_accepted = |record: &Record| record.origin.build.is_none();
    for id in names(&layout.builds())?.iter().filter_map(|name| name.parse().ok()) {
        // What is accepted was exposed before. The records of the other builds, up to a million each, need not be read.
        let exposed = outputs_of(layout, &id);
        if !outputs.iter().any(|output| exposed.join(output.to_string()).symlink_metadata().is_ok()) {
            continue;
        }
        given.push(id);
        let private = private_records(layout, &id);
        for (action, record) in private.list()? {
            if is_accepted(&record) {
                private.retain(&action, |known| !is_accepted(known))?;
            }
        }
    }
    Ok(given)
}

//! Quarantine: takes an output out of service. Its record is marked, and stays in the place of any other; live builds forget that they
//! accepted it. What a go command was told stays where it is, as it may be read now; the next go command is told no more of it.

use std::collections::HashSet;

use proto::{ActionId, BuildId, Condition, OutputId};

use crate::blinded_table::{has_link, revoke_tables};
use crate::build_dir::{outputs_of, private_records};
use crate::dirs::names;
use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::format::record::Record;
use crate::record_dir::RecordDir;

/// Takes an output of an action out of service, under this condition. The live builds to which it was exposed, and what kept one of them
/// from forgetting it.
pub(crate) fn quarantine(
    layout: &Layout,
    records: &RecordDir,
    action: &ActionId,
    (output, condition): (&OutputId, Option<&Condition>),
) -> Result<(Vec<BuildId>, Option<StoreError>), StoreError> {
    let is_it = |known: &Record| known.output.id == *output && known.condition.as_ref() == condition;
    let marked = records.quarantine(action, is_it);
    // Also where that failed: the caller removes the record then.
    let forgotten = forget_accepted(layout, &HashSet::from([*output]), Builds::Given);
    marked.map(|()| forgotten)
}

/// Which live builds forget what they accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builds {
    /// Those to which one of the outputs was exposed.
    Given,
    /// All of them: what an earlier call did not get to is not known.
    All,
}

/// Makes live builds forget what they accepted of others ([`crate::BuildDir::note`] without a build): all of it, as the facts of vet are no
/// answer without what it printed. What they made of it stays as it is. The tables of all builds are revoked. Returns the builds that have
/// one of these outputs, and the first error: the other builds forget all the same.
pub(crate) fn forget_accepted(
    layout: &Layout,
    outputs: &HashSet<OutputId>,
    which: Builds,
) -> (Vec<BuildId>, Option<StoreError>) {
    let (mut given, mut failed) = (Vec::new(), None);
    let builds = names(&layout.builds()).unwrap_or_else(|e| {
        failed = Some(e);
        Vec::new()
    });
    if let Err(e) = revoke_tables(layout) {
        failed.get_or_insert(StoreError::at("revoking tables in", &layout.builds())(e));
    }
    for id in builds.iter().filter_map(|name| name.parse().ok()) {
        // What is accepted was exposed before. Of one output the records of the other builds, up to a million each, need not be read.
        let exposed = outputs_of(layout, &id);
        let is_exposed = outputs.iter().any(|output| exposed.join(output.to_string()).symlink_metadata().is_ok())
            || has_link(&layout.build(&id), outputs.iter().copied());
        if is_exposed {
            given.push(id);
        }
        if (is_exposed || which == Builds::All)
            && let Err(e) = forget_in(&private_records(layout, &id))
        {
            failed.get_or_insert(e);
        }
    }
    (given, failed)
}

fn forget_in(private: &RecordDir) -> Result<(), StoreError> {
    let is_accepted = |record: &Record| record.origin.build.is_none();
    for (action, record, _) in private.list()? {
        if is_accepted(&record) {
            private.retain(&action, |known| !is_accepted(known))?;
        }
    }
    Ok(())
}

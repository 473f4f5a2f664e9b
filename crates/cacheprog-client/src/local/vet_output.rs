//! What vet found goes together with what it printed: cmd/go takes a missing text for an empty one (cmd/go/internal/work/exec.go `vet`,
//! Go 1.26-1.27).

use proto::Condition;
use proto::condition::scopes;
use store::Record;

/// Whether an entry under this condition may be offered, as far as vet is concerned. `beside`: the entries of what vet printed for the
/// action; `is_there`: whether the output of one of them is there.
pub(super) fn is_complete(
    condition: &Condition,
    beside: impl FnOnce() -> Vec<Record>,
    is_there: impl Fn(&Record) -> bool,
) -> bool {
    if condition.scope != scopes::VET {
        return true;
    }
    let printed = Some(Condition { scope: scopes::VET_OUTPUT, ..condition.clone() });
    beside().iter().any(|record| record.condition == printed && is_there(record))
}

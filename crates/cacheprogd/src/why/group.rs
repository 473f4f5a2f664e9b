//! Misses of one cause taken together, and causes in words. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cause::{Cause, Missed, Verdict};

/// Misses of one cause, and of one root.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Group {
    pub(crate) cause: Cause,
    pub(crate) certain: bool,
    pub(crate) misses: u64,
    pub(crate) cost_ms: u64,
    /// What differs, if it is the same for all.
    pub(crate) detail: String,
}

/// Whether a cache could have helped.
pub(crate) fn may_be_helped(cause: Cause) -> bool {
    !matches!(cause, Cause::Link | Cause::NeverPut | Cause::MtimeKeyed)
}

/// Groups misses: those first that a cache can help, and of them those that cost most.
pub(crate) fn groups(missed: &[Missed]) -> Vec<Group> {
    let mut groups: BTreeMap<(Cause, bool, &str), Group> = BTreeMap::new();
    for one in missed {
        let Verdict { cause, certain, root, .. } = &one.verdict;
        let of = root.as_ref().map_or("", |(path, _)| path.as_str());
        let new = || Group { cause: *cause, certain: *certain, misses: 0, cost_ms: 0, detail: full(&one.verdict) };
        let group = groups.entry((*cause, *certain, of)).or_insert_with(new);
        group.misses += 1;
        group.cost_ms += u64::from(one.cost_ms);
        if group.detail != full(&one.verdict) {
            group.detail.clear();
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse((may_be_helped(group.cause), group.cost_ms, group.misses)));
    groups
}

/// The detail, with why the root changed.
pub(crate) fn full(verdict: &Verdict) -> String {
    match &verdict.root {
        Some((_, why)) if why.detail.is_empty() => format!("{}: {}", verdict.detail, words(why.cause)),
        Some((_, why)) => format!("{}: {}, {}", verdict.detail, words(why.cause), why.detail),
        None => verdict.detail.clone(),
    }
}

/// A cause in words.
pub(crate) fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::FirstBuild => "first build",
        Cause::NeverSeen => "never seen",
        Cause::OtherToolchain => "other toolchain",
        Cause::OtherNamespace => "other namespace",
        Cause::OtherFlags => "other flags",
        Cause::OtherDirectory => "other directory",
        Cause::NewSource => "new source",
        Cause::ChangedDependency => "changed dependency",
        Cause::TestInputs => "other test inputs",
        Cause::Evicted => "evicted",
        Cause::Private => "private",
        Cause::MtimeKeyed => "mtime-keyed",
        Cause::Link => "linked anew",
        Cause::NeverPut => "never put",
        Cause::Other => "other",
    }
}

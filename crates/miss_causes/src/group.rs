//! Takes misses of one cause together, and puts causes into words. Pure.

use std::collections::BTreeMap;

use proto::figures::number;
use proto::profile::BuildProfile;
use serde::Serialize;

use crate::cause::{Cause, Missed, Verdict};
use crate::compare::explain;

/// Misses of one cause and one root.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The cause.
    pub cause: Cause,
    /// Whether the profiles prove it.
    pub certain: bool,
    /// How many misses.
    pub misses: u64,
    /// Their time from miss to put, in milliseconds.
    pub cost_ms: u64,
    /// The difference, if all misses have the same.
    pub detail: String,
}

/// Whether a shared cache could have served it.
fn is_avoidable(cause: Cause) -> bool {
    !matches!(cause, Cause::Link | Cause::NeverPut | Cause::MtimeKeyed)
}

/// Groups misses: first those that a cache could have served, and of them first those that cost most.
#[must_use]
pub fn groups(missed: &[Missed]) -> Vec<Group> {
    let mut groups: BTreeMap<(Cause, bool, &str), Group> = BTreeMap::new();
    for one in missed {
        let Verdict { cause, certain, root, .. } = &one.verdict;
        let of = root.as_ref().map_or("", |(path, _)| path.as_str());
        let new =
            || Group { cause: *cause, certain: *certain, misses: 0, cost_ms: 0, detail: verdict_text(&one.verdict) };
        let group = groups.entry((*cause, *certain, of)).or_insert_with(new);
        group.misses += 1;
        group.cost_ms += u64::from(one.cost_ms);
        if group.detail != verdict_text(&one.verdict) {
            group.detail.clear();
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse((is_avoidable(group.cause), group.cost_ms, group.misses)));
    groups
}

/// The difference in words, with why the root changed.
#[must_use]
pub fn verdict_text(verdict: &Verdict) -> String {
    match &verdict.root {
        Some((_, why)) if why.detail.is_empty() => format!("{}: {}", verdict.detail, cause_text(why.cause)),
        Some((_, why)) => format!("{}: {}, {}", verdict.detail, cause_text(why.cause), why.detail),
        None => verdict.detail.clone(),
    }
}

/// A cause in words.
#[must_use]
pub fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::FirstBuild => "first build",
        Cause::NeverSeen => "never seen",
        Cause::OtherToolchain => "other toolchain",
        Cause::OtherFlags => "other flags",
        Cause::OtherDirectory => "other directory",
        Cause::NewSource => "new source",
        Cause::ChangedDependency => "changed dependency",
        Cause::OtherCondition => "other condition",
        Cause::NotShared => "not shared",
        Cause::Withheld => "computed again",
        Cause::Quarantined => "quarantined",
        Cause::TestInputs => "other test inputs",
        Cause::Evicted => "evicted",
        Cause::Private => "private",
        Cause::MtimeKeyed => "mtime-keyed",
        Cause::Link => "linked again",
        Cause::NeverPut => "never put",
        Cause::Other => "other",
    }
}

/// Those misses that a shared cache could have served.
#[must_use]
pub fn avoidable(mut missed: Vec<Missed>) -> Vec<Missed> {
    missed.retain(|one| is_avoidable(one.verdict.cause));
    missed
}

/// The main cause of a build's misses, in a few words for its log; empty where it missed nothing that a cache could have served.
#[must_use]
pub fn headline(profile: &BuildProfile, earlier: Option<&BuildProfile>) -> String {
    main_cause(&groups(&avoidable(explain(profile, earlier))))
}

/// The first of these groups in a few words; empty where there is none.
#[must_use]
pub fn main_cause(groups: &[Group]) -> String {
    let all = groups.iter().map(|group| group.misses).sum();
    groups.first().map_or(String::new(), |group| line(group, all))
}

fn line(group: &Group, all: u64) -> String {
    let Group { cause, misses, detail, .. } = group;
    let misses = if *misses == all { number(all) } else { format!("{} of {}", number(*misses), number(all)) };
    match detail.as_str() {
        "" => format!("{misses} misses: {}", cause_text(*cause)),
        detail => format!("{misses} misses: {} ({detail})", cause_text(*cause)),
    }
}

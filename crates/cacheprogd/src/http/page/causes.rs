//! Misses by cause, of one build and of all that the page shows. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use miss_causes::{Cause, Group};

/// One group for each cause, the most expensive one first. It has the words of the most expensive group that has any.
pub(crate) fn by_cause(groups: impl IntoIterator<Item = Group>) -> Vec<Group> {
    let mut all: BTreeMap<Cause, (Group, Option<u64>)> = BTreeMap::new();
    for group in groups {
        let none = || (Group { misses: 0, cost_ms: 0, detail: String::new(), ..group.clone() }, None);
        let (sum, cost_of_words) = all.entry(group.cause).or_insert_with(none);
        sum.misses += group.misses;
        sum.cost_ms += group.cost_ms;
        if !group.detail.is_empty() && cost_of_words.is_none_or(|cost| cost < group.cost_ms) {
            (*cost_of_words, sum.detail) = (Some(group.cost_ms), group.detail);
        }
    }
    let mut all: Vec<_> = all.into_values().map(|(sum, _)| sum).collect();
    all.sort_by_key(|sum| Reverse((sum.cost_ms, sum.misses)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_summed_and_have_the_words_of_the_most_expensive_group() {
        let group = |cause, cost_ms, detail: &str| Group {
            cause,
            certain: true,
            misses: 2,
            cost_ms,
            detail: detail.to_owned(),
        };
        let groups = [
            group(Cause::NewSource, 10, "x"),
            group(Cause::NewSource, 20, "y"),
            group(Cause::NewSource, 15, "z"),
            group(Cause::Evicted, 90, ""),
        ];
        let found = by_cause(groups);
        let told: Vec<_> = found.iter().map(|sum| (sum.cause, sum.misses, sum.cost_ms, sum.detail.as_str())).collect();
        assert_eq!(told, [(Cause::Evicted, 2, 90, ""), (Cause::NewSource, 6, 45, "y")]);
    }
}

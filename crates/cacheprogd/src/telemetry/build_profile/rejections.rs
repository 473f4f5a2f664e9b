//! Finds what differs between the conditions that a build was offered and what the build has itself. Pure: the parts of a condition come
//! from the caller.
//!
//! A build chooses its events: how many parts are read for it is bounded, and a condition without parts has no differences that can
//! be named.

use std::collections::HashMap;

use proto::parts::Parts;
use proto::profile::{OwnCondition, Rejection};
use proto::{Condition, ScopeDigest};

use crate::limits::{PROFILE_PARTS, PROFILE_REJECTIONS};

/// The conditions of a trace, by their numbers there.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    all: Vec<Condition>,
    /// The numbers of those that the build has.
    has: Vec<u16>,
}

impl Conditions {
    /// The next number is that of this condition.
    pub(super) fn push(&mut self, condition: Condition) {
        self.all.push(condition);
    }

    /// The build has the condition with this number.
    pub(super) fn has(&mut self, number: u16) {
        self.has.push(number);
    }

    fn get(&self, number: u16) -> Option<&Condition> {
        self.all.get(usize::from(number))
    }

    /// Whether the build has this condition.
    pub(super) fn has_condition(&self, condition: &Condition) -> bool {
        self.own(&condition.scope).any(|digest| digest == condition.digest)
    }

    /// What the build has of a scope: one digest, or several where files changed while it ran.
    fn own<'a>(&'a self, scope: &'a proto::Scope) -> impl Iterator<Item = ScopeDigest> + 'a {
        let own = self.has.iter().filter_map(|&number| self.get(number));
        own.filter(move |condition| condition.scope == *scope).map(|condition| condition.digest)
    }
}

/// The conditions of a profile: those under which the build shared, each once.
#[derive(Debug, Default)]
pub(super) struct OwnConditions {
    by_number: HashMap<u16, u16>,
    pub(super) list: Vec<OwnCondition>,
}

impl OwnConditions {
    /// The index of the condition with this number.
    pub(super) fn index(&mut self, number: u16, conditions: &Conditions) -> Option<u16> {
        if let Some(index) = self.by_number.get(&number) {
            return Some(*index);
        }
        let Condition { scope, digest } = conditions.get(number)?;
        let index = u16::try_from(self.list.len()).ok()?;
        let digest = digest.to_string().chars().take(16).collect();
        self.list.push(OwnCondition { scope: scope.as_str().to_owned(), digest });
        self.by_number.insert(number, index);
        Some(index)
    }
}

/// The rejections of a profile, each once.
pub(super) struct Rejections<'a> {
    conditions: &'a Conditions,
    parts: &'a dyn Fn(&ScopeDigest) -> Option<Parts>,
    /// How many times parts may still be read.
    left: usize,
    by_offer: HashMap<Vec<u16>, Option<u16>>,
    pub(super) list: Vec<Rejection>,
}

impl<'a> Rejections<'a> {
    pub(super) fn new(conditions: &'a Conditions, parts: &'a dyn Fn(&ScopeDigest) -> Option<Parts>) -> Self {
        Self { conditions, parts, left: PROFILE_PARTS, by_offer: HashMap::new(), list: Vec::new() }
    }

    /// The index of the rejection of an action that was offered these.
    pub(super) fn index(&mut self, mut offered: Vec<u16>) -> Option<u16> {
        offered.sort_unstable();
        offered.dedup();
        if let Some(known) = self.by_offer.get(&offered) {
            return *known;
        }
        let index = self.nearest(&offered).and_then(|rejection| self.add(rejection));
        self.by_offer.insert(offered, index);
        index
    }

    fn add(&mut self, rejection: Rejection) -> Option<u16> {
        let known = self.list.iter().position(|one| *one == rejection);
        let index = known.unwrap_or(self.list.len());
        if index >= PROFILE_REJECTIONS {
            return None;
        }
        if known.is_none() {
            self.list.push(rejection);
        }
        u16::try_from(index).ok()
    }

    /// What the build has is compared with each: the fewest differences explain most.
    fn nearest(&mut self, offered: &[u16]) -> Option<Rejection> {
        let conditions = self.conditions;
        let mut nearest: Option<Rejection> = None;
        for condition in offered.iter().filter_map(|&number| conditions.get(number)) {
            let rejection = self.compare(condition);
            let is_nearer = |than: &Rejection| order(&rejection) < order(than);
            if nearest.as_ref().is_none_or(is_nearer) {
                nearest = Some(rejection);
            }
        }
        nearest
    }

    fn compare(&mut self, offered: &Condition) -> Rejection {
        let scope = offered.scope.as_str().to_owned();
        let conditions = self.conditions;
        let own: Vec<_> = conditions.own(&offered.scope).filter(|digest| *digest != offered.digest).collect();
        let theirs = if own.is_empty() { None } else { self.read(&offered.digest) };
        let Some(theirs) = theirs else { return Rejection { scope, ..Rejection::default() } };
        let ours: Vec<_> = own.iter().filter_map(|digest| self.read(digest)).collect();
        let fewest = ours.iter().map(|ours| ours.differences(&theirs)).min_by_key(Vec::len).unwrap_or_default();
        let more = fewest.len().saturating_sub(Rejection::NAMED);
        let differences = fewest.into_iter().take(Rejection::NAMED).collect();
        Rejection { scope, differences, more: u32::try_from(more).unwrap_or(u32::MAX) }
    }

    fn read(&mut self, digest: &ScopeDigest) -> Option<Parts> {
        self.left = self.left.checked_sub(1)?;
        (self.parts)(digest)
    }
}

/// Those with differences come first, and of them those with few.
fn order(rejection: &Rejection) -> (bool, usize) {
    (rejection.differences.is_empty(), rejection.differences.len() + rejection.more as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{Scope, scopes};

    fn digest(n: u8) -> ScopeDigest {
        ScopeDigest([n; 32])
    }

    /// The parts of digest `n`: `REV` differs in each, `CC` in those of ten or more.
    fn parts(digest: &ScopeDigest) -> Option<Parts> {
        let n = digest.0[0];
        let text = format!("v REV {n:016x}\np CC {:016x}\nf a.h 0000000000000001\n", n / 10);
        (n != 99).then(|| Parts::read(text.as_bytes()))
    }

    fn conditions(has: &[u16]) -> Conditions {
        let of = |scope: Scope, n| Condition { scope, digest: digest(n) };
        let all = vec![
            of(scopes::TREE, 1),
            of(scopes::TREE, 2),
            of(scopes::TREE, 10),
            of(scopes::STD, 1),
            of(scopes::TREE, 99),
        ];
        Conditions { all, has: has.to_vec() }
    }

    fn said(has: &[u16], offered: &[u16]) -> (String, Vec<String>) {
        let conditions = conditions(has);
        let mut rejections = Rejections::new(&conditions, &parts);
        let index = rejections.index(offered.to_vec()).unwrap();
        let Rejection { scope, differences, .. } = &rejections.list[usize::from(index)];
        (scope.clone(), differences.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_nearest_condition_that_was_offered_is_compared_with_what_the_build_has() {
        assert_eq!(said(&[0], &[2]), ("tree".into(), vec!["variable REV".into(), "program CC".into()]));
        assert_eq!(said(&[0], &[2, 1]), ("tree".into(), vec!["variable REV".into()]));
        assert_eq!(said(&[0, 2], &[1]).1, ["variable REV"], "the build has had two");
        assert_eq!(said(&[3], &[1]).1, Vec::<String>::new(), "of another scope");
        assert_eq!(said(&[0], &[4]).1, Vec::<String>::new(), "its parts are not known");
        assert_eq!(said(&[], &[3]), ("std".into(), vec![]));
    }

    #[test]
    fn what_a_build_can_make_us_read_is_bounded() {
        let all: Vec<_> =
            (0..60_000).map(|n: u32| ScopeDigest(std::array::from_fn(|i| n.to_le_bytes()[i % 4]))).collect();
        let mut conditions = Conditions::default();
        all.iter().for_each(|digest| conditions.push(Condition { scope: scopes::TREE, digest: *digest }));
        conditions.has(0);
        let read = std::cell::Cell::new(0);
        let counting = |digest: &ScopeDigest| {
            read.set(read.get() + 1);
            Some(Parts::read(format!("v V{digest} 0123456789abcdef\n").as_bytes()))
        };
        let mut rejections = Rejections::new(&conditions, &counting);
        for n in 1..60_000 {
            rejections.index(vec![n]);
        }
        assert!(read.get() <= PROFILE_PARTS && rejections.list.len() <= PROFILE_REJECTIONS);
        assert_eq!(Rejections::new(&conditions, &counting).index(vec![60_001]), None);
    }
}

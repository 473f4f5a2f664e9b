//! Computes the conditions under which entries are shared: each scope is looked at once for a batch of entries.

use std::collections::HashMap;
use std::sync::Arc;

use proto::condition::scopes;
use proto::{ActionId, Condition, OutputId, Scope, ScopeDigest};

use crate::condition::{Conditions, MadeArchive};

use super::classifier::Terms;
use super::side_entries::ToShare;

/// Scopes whose parts were told, with their digests. More are not told.
const MAX_TOLD: usize = 1000; // and as many digests are kept

/// An entry that other builds may use under this condition; `None`: always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) action: ActionId,
    pub(crate) output: OutputId,
    pub(crate) condition: Option<Condition>,
}

/// What a batch of entries asks about files. [`Conditions`] answers; tests do as well.
pub(crate) trait Scopes {
    fn scope_of(&mut self, made: &MadeArchive) -> Option<Scope>;
    fn digest(&mut self, scope: &Scope) -> Option<ScopeDigest>;
    fn digest_unchanged(&mut self, scope: &Scope) -> Option<ScopeDigest>;
    fn parts(&mut self, scope: &Scope) -> Option<Vec<u8>>;
    fn forget_looks(&mut self);
}

impl Scopes for Conditions {
    fn scope_of(&mut self, made: &MadeArchive) -> Option<Scope> {
        self.scope_of(made)
    }

    fn digest(&mut self, scope: &Scope) -> Option<ScopeDigest> {
        self.digest(scope)
    }

    fn digest_unchanged(&mut self, scope: &Scope) -> Option<ScopeDigest> {
        self.digest_unchanged(scope)
    }

    fn parts(&mut self, scope: &Scope) -> Option<Vec<u8>> {
        self.parts(scope)
    }

    fn forget_looks(&mut self) {
        self.forget_looks();
    }
}

/// Computes conditions, and knows whose parts were told.
#[derive(Debug)]
pub(crate) struct ConditionsOfShares<S> {
    scopes: S,
    /// Digests since the last batch: each get asks for one several times.
    known: HashMap<Scope, ScopeDigest>,
    told: HashMap<Scope, ScopeDigest>,
}

impl<S: Scopes> ConditionsOfShares<S> {
    pub(crate) fn new(scopes: S) -> Self {
        Self { scopes, known: HashMap::new(), told: HashMap::new() }
    }

    /// The next condition looks at files again.
    pub(crate) fn forget_looks(&mut self) {
        self.scopes.forget_looks();
    }

    /// Which of these conditions holds: the first one. A go command that Go's keys do not cover takes nothing but what was made under
    /// the condition of everything, and no other go command does.
    pub(crate) fn first_that_holds(&mut self, conditions: &[Condition], is_clean: bool) -> Option<usize> {
        let is_allowed = |scope: &Scope| (*scope == scopes::TREE_WITH_GO) != is_clean && *scope != scopes::PRIVATE;
        conditions.iter().position(|condition| {
            is_allowed(&condition.scope) && self.digest(&condition.scope) == Some(condition.digest)
        })
    }

    /// The conditions of a batch. What has none, or one that changed since the go command began, is left out.
    pub(crate) fn of_batch(&mut self, batch: Vec<ToShare<Terms>>) -> Vec<Share> {
        self.scopes.forget_looks();
        self.known.clear();
        let mut of_packages = HashMap::new();
        let mut digests = HashMap::new();
        let mut shares = Vec::new();
        for ToShare { action, output, terms } in batch {
            let scope = match terms {
                Terms::Plain => {
                    shares.push(Share { action, output, condition: None });
                    continue;
                }
                Terms::Scope(scope) => Some(scope),
                Terms::Package(made) => {
                    let (_, scope) = of_packages.entry(Arc::as_ptr(&made)).or_insert_with(|| {
                        let scope = self.scopes.scope_of(&made);
                        (made, scope) // it is kept, so that its address stays its own
                    });
                    scope.clone()
                }
            };
            let Some(scope) = scope else { continue };
            let digest = digests.entry(scope.clone()).or_insert_with(|| self.scopes.digest_unchanged(&scope));
            if let Some(digest) = *digest {
                shares.push(Share { action, output, condition: Some(Condition { scope, digest }) });
            }
        }
        shares
    }

    fn digest(&mut self, scope: &Scope) -> Option<ScopeDigest> {
        if let Some(digest) = self.known.get(scope) {
            return Some(*digest);
        }
        let digest = self.scopes.digest(scope)?;
        if self.known.len() < MAX_TOLD {
            self.known.insert(scope.clone(), digest);
        }
        Some(digest)
    }

    /// The parts of a condition of this go command, unless they were told before.
    pub(crate) fn parts_to_tell(&mut self, condition: &Condition) -> Option<Vec<u8>> {
        if self.told.get(&condition.scope) == Some(&condition.digest) || self.told.len() >= MAX_TOLD {
            return None;
        }
        self.told.insert(condition.scope.clone(), condition.digest);
        self.scopes.parts(&condition.scope)
    }

    /// What this go command has where none of these conditions held.
    pub(crate) fn rejected(&mut self, conditions: &[Condition]) -> Vec<Condition> {
        let mut ours: Vec<Condition> = Vec::new();
        for Condition { scope, .. } in conditions {
            if ours.iter().all(|known| known.scope != *scope)
                && let Some(digest) = self.digest(scope)
            {
                ours.push(Condition { scope: scope.clone(), digest });
            }
        }
        ours
    }
}

#[cfg(test)]
mod tests {
    use store::archive::MadeBy;

    use super::*;

    /// Scopes whose digests are counted up with each look.
    #[derive(Debug, Default)]
    struct Counting {
        looks: u8,
        asked: Vec<String>,
        changed: Vec<Scope>,
    }

    impl Scopes for Counting {
        fn scope_of(&mut self, made: &MadeArchive) -> Option<Scope> {
            self.asked.push(format!("scope of {}", made.path));
            Scope::new(&made.path).ok()
        }

        fn digest(&mut self, scope: &Scope) -> Option<ScopeDigest> {
            self.asked.push(scope.to_string());
            (scope.as_str() != "unknown").then_some(ScopeDigest([self.looks; 32]))
        }

        fn digest_unchanged(&mut self, scope: &Scope) -> Option<ScopeDigest> {
            self.digest(scope).filter(|_| !self.changed.contains(scope))
        }

        fn parts(&mut self, scope: &Scope) -> Option<Vec<u8>> {
            Some(scope.as_str().into())
        }

        fn forget_looks(&mut self) {
            self.looks += 1;
        }
    }

    fn condition(scope: &Scope, digest: u8) -> Condition {
        Condition { scope: scope.clone(), digest: ScopeDigest([digest; 32]) }
    }

    fn entry(n: u8, terms: Terms) -> ToShare<Terms> {
        ToShare { action: ActionId([n; 32]), output: OutputId([n; 32]), terms }
    }

    #[test]
    fn each_scope_is_looked_at_once_a_batch() {
        let mut conditions = ConditionsOfShares::new(Counting { changed: vec![scopes::TREE], ..Counting::default() });
        let package = |path: &str| {
            let (path, made_by) = (path.to_owned(), MadeBy::Others);
            Terms::Package(Arc::new(MadeArchive { path, is_std: false, made_by, files: vec![] }))
        };
        let [one, other] = [package("m"), package("m")];
        let batch = |conditions: &mut ConditionsOfShares<Counting>| {
            let batch =
                [one.clone(), one.clone(), other.clone(), Terms::Plain, Terms::Scope(scopes::TREE), package("")];
            let shares = conditions.of_batch(batch.into_iter().zip(1..).map(|(terms, n)| entry(n, terms)).collect());
            shares.into_iter().map(|share| (share.action.0[0], share.condition)).collect::<Vec<_>>()
        };
        let module = Scope::new("m").unwrap();
        let expected = |look| {
            let under = Some(condition(&module, look));
            [(1, under.clone()), (2, under.clone()), (3, under), (4, None)]
        };
        assert_eq!(batch(&mut conditions), expected(1));
        assert_eq!(conditions.scopes.asked, ["scope of m", "m", "scope of m", "tree", "scope of "]);
        assert_eq!(batch(&mut conditions), expected(2));
    }

    #[test]
    fn the_first_candidate_that_holds_is_taken() {
        let mut conditions = ConditionsOfShares::new(Counting { looks: 5, ..Counting::default() });
        let [std, all, private] =
            [scopes::STD, scopes::TREE_WITH_GO, scopes::PRIVATE].map(|scope| condition(&scope, 5));
        let other = condition(&scopes::STD, 4);
        for (candidates, clean, unclean) in [
            (vec![other.clone(), std.clone(), std.clone()], Some(1), None),
            (vec![all.clone()], None, Some(0)),
            (vec![private], None, None),
            (vec![other], None, None),
            (vec![all, std], Some(1), Some(0)),
        ] {
            assert_eq!(conditions.first_that_holds(&candidates, true), clean, "{candidates:?}");
            assert_eq!(conditions.first_that_holds(&candidates, false), unclean, "{candidates:?}");
        }
        assert_eq!(conditions.scopes.asked, ["std", "tree with Go"], "each is computed once");
        conditions.of_batch(Vec::new());
        assert_eq!(
            conditions.first_that_holds(&[condition(&scopes::STD, 6)], true),
            Some(0),
            "and again after a batch"
        );
    }

    #[test]
    fn the_parts_of_a_condition_are_told_once() {
        let mut conditions = ConditionsOfShares::new(Counting::default());
        let unknown = condition(&Scope::new("unknown").unwrap(), 1);
        let ours = conditions.rejected(&[condition(&scopes::STD, 8), condition(&scopes::STD, 9), unknown]);
        assert_eq!(ours, [condition(&scopes::STD, 0)]);
        assert_eq!(conditions.parts_to_tell(&ours[0]).as_deref(), Some(&b"std"[..]));
        assert_eq!(conditions.parts_to_tell(&ours[0]), None);
        assert!(conditions.parts_to_tell(&condition(&scopes::STD, 1)).is_some());
    }
}

//! With whom an entry is shared: a pure table. docs/explanation/soundness.md has it in words, and a test compares the two.
//!
//! An entry whose content Go's key covers is shared with all builds of the namespace. Any other entry is shared under a condition
//! or with a proof, or stays private to the build.

use proto::Scope;
use store::{Kind, Partition, Replaces};

/// What is known of an entry beside its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// The kind of its body.
    pub(crate) kind: Kind,
    pub(crate) proof: Proof,
    /// The scope of its condition, if it has one.
    pub(crate) scope: Option<&'a Scope>,
    /// It is at most [`proto::limits::TEST_BODY`] long.
    pub(crate) is_short: bool,
    /// The partition that it is in, or would be put in.
    pub(crate) partition: Partition,
}

/// What proves beside the key that it holds for other builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing.
    None,
    /// Its key is that of a directory of the toolchain in the Nix store (`toolchain_index.rs`), and the session reads that
    /// toolchain.
    Toolchain,
    /// The list of the test's inputs comes with it.
    List,
}

/// The parts of the daemon's settings and of the client's hello that are about sharing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharingRules {
    /// Test results are shared between builds.
    pub(crate) shares_tests: bool,
    /// The client keeps by itself what is not shared.
    pub(crate) keeps_its_own: bool,
}

/// What is done with a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutDecision<'a> {
    /// It is shared with all builds that read the namespace.
    Share(Replaces),
    /// It is shared with those builds where this scope has the same digest.
    ShareUnder(&'a Scope),
    /// It stays private to the build.
    Private,
    /// It is not stored: the client keeps it.
    Refuse,
}

/// What is done with a get for which other builds put such an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GetDecision {
    /// It is a hit.
    Hit,
    /// It is a hit if the client finds each test input as the list has it.
    HitIfListed,
    /// It is a hit if the client finds the same digest of the scope.
    HitIfSame,
    /// It is a miss.
    Miss,
}

/// With whom a put is shared.
pub(crate) fn put<'a>(entry: &Entry<'a>, rules: SharingRules) -> PutDecision<'a> {
    // A build that may write to a partition writes all kinds of entries there.
    let (Partition::Common | Partition::User(_)) = entry.partition;
    match (entry.kind, entry.proof, entry.scope) {
        (Kind::Content | Kind::Archive, _, None) => PutDecision::Share(Replaces::Nothing),
        (Kind::Content | Kind::Archive, _, Some(scope)) => PutDecision::ShareUnder(scope),
        // A later run of the test has the better list of its inputs.
        (Kind::TestLog, _, None) if entry.is_short => PutDecision::Share(Replaces::SameKind),
        (Kind::TestLog, _, Some(scope)) if entry.is_short => PutDecision::ShareUnder(scope),
        (Kind::TestResult, Proof::List, None) if entry.is_short && rules.shares_tests => {
            PutDecision::Share(Replaces::SameKind)
        }
        (Kind::Mtime | Kind::StoreIndex, Proof::Toolchain, None) => PutDecision::Share(Replaces::Nothing),
        (Kind::TestLog | Kind::TestResult | Kind::TestInputs | Kind::Mtime | Kind::StoreIndex, _, _) => {
            if rules.keeps_its_own { PutDecision::Refuse } else { PutDecision::Private }
        }
    }
}

/// What a session may be given of what others put. For a session that reads its toolchain's own sources the proof is
/// [`Proof::Toolchain`].
pub(crate) fn get(entry: &Entry<'_>, rules: SharingRules) -> GetDecision {
    // A build that may read a partition reads all kinds of entries there.
    let (Partition::Common | Partition::User(_)) = entry.partition;
    match (entry.kind, entry.proof, entry.scope) {
        (Kind::Content | Kind::Archive | Kind::TestLog, _, None) => GetDecision::Hit,
        (Kind::Content | Kind::Archive | Kind::TestLog, _, Some(_)) => GetDecision::HitIfSame,
        (Kind::TestResult, _, None) if rules.shares_tests => GetDecision::HitIfListed,
        (Kind::StoreIndex, Proof::Toolchain, None) => GetDecision::Hit,
        (Kind::TestResult | Kind::TestInputs | Kind::Mtime | Kind::StoreIndex, _, _) => GetDecision::Miss,
    }
}

/// Whether a body is short enough to be shared as what Go reads into memory.
pub(crate) fn is_short(size: u64) -> bool {
    size <= proto::limits::TEST_BODY
}

/// Whether a body may be an index of the toolchain's sources, which `toolchain_index.rs` proves.
pub(crate) fn may_be_of_toolchain(kind: Kind) -> bool {
    kind == Kind::Mtime
}

/// The kind of a body with this proof.
pub(crate) fn kind_with(proof: Proof, kind: Kind) -> Kind {
    if proof == Proof::Toolchain { Kind::StoreIndex } else { kind }
}

/// What a body proves for another one that comes with it: a list of test inputs proves a test result, and nothing else.
pub(crate) fn proof_by(list: Kind, of: Kind) -> Proof {
    if (list, of) == (Kind::TestInputs, Kind::TestResult) { Proof::List } else { Proof::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../../../docs/explanation/soundness.md");

    /// The rows of the table under a heading, without its first two lines.
    fn rows(heading: &str) -> Vec<Vec<&'static str>> {
        let (_, rest) =
            DOCS.split_once(heading).unwrap_or_else(|| panic!("docs/explanation/soundness.md has no {heading}"));
        let table = rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        table.skip(2).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }

    /// The last cell of the first row that matches; a cell matches by one of its words, or by `any`.
    fn documented(rows: &[Vec<&'static str>], case: &[&str]) -> &'static str {
        let fits = |(cell, word): (&&str, &&str)| *cell == "any" || cell.split(", ").any(|one| one == *word);
        let row = rows.iter().find(|row| row.iter().zip(case).all(fits));
        row.unwrap_or_else(|| panic!("no row for {case:?}")).last().unwrap()
    }

    fn name(kind: Kind) -> &'static str {
        match kind {
            Kind::Content => "content",
            Kind::Archive => "archive",
            Kind::TestLog => "test log",
            Kind::TestResult => "test result",
            Kind::TestInputs => "test list",
            Kind::Mtime => "by mtime",
            Kind::StoreIndex => "toolchain's index",
        }
    }

    fn word(proof: Proof) -> &'static str {
        match proof {
            Proof::None => "none",
            Proof::Toolchain => "toolchain",
            Proof::List => "list",
        }
    }

    const YES: [bool; 2] = [true, false];

    fn yes_no(is: bool) -> &'static str {
        if is { "yes" } else { "no" }
    }

    /// All combinations.
    fn each(mut check: impl FnMut(&Entry<'_>, SharingRules)) {
        let scope = Scope::new("module m").unwrap();
        for kind in Kind::ALL {
            for proof in [Proof::None, Proof::Toolchain, Proof::List] {
                for (is_conditioned, is_short, partition) in YES.into_iter().flat_map(|conditioned| {
                    YES.into_iter().flat_map(move |short| {
                        [Partition::Common, Partition::User(7)].map(|partition| (conditioned, short, partition))
                    })
                }) {
                    for (shares_tests, keeps_its_own) in [(true, true), (true, false), (false, true), (false, false)] {
                        let scope = is_conditioned.then_some(&scope);
                        let entry = Entry { kind, proof, scope, is_short, partition };
                        check(&entry, SharingRules { shares_tests, keeps_its_own });
                    }
                }
            }
        }
    }

    #[test]
    fn the_documentation_has_every_decision_about_a_put() {
        let rows = rows("### Puts");
        each(|entry, rules| {
            let decision = match put(entry, rules) {
                PutDecision::Share(Replaces::Nothing) => "shared, the first stays",
                PutDecision::Share(Replaces::SameKind) => "shared, the latest replaces it",
                PutDecision::Share(Replaces::Any) => "shared, whatever was there",
                PutDecision::ShareUnder(_) => "shared under the scope",
                PutDecision::Private => "private to the build",
                PutDecision::Refuse => "left to the client",
            };
            let case = [
                name(entry.kind),
                word(entry.proof),
                yes_no(entry.scope.is_some()),
                yes_no(entry.is_short),
                yes_no(rules.shares_tests),
                yes_no(rules.keeps_its_own),
            ];
            assert_eq!(documented(&rows, &case), decision, "{case:?}");
        });
    }

    #[test]
    fn the_documentation_has_every_decision_about_a_get() {
        let rows = rows("### Gets");
        each(|entry, rules| {
            let decision = match get(entry, rules) {
                GetDecision::Hit => "a hit",
                GetDecision::HitIfListed => "a hit if all is as listed",
                GetDecision::HitIfSame => "a hit if the scope holds the same",
                GetDecision::Miss => "a miss",
            };
            let case = [name(entry.kind), word(entry.proof), yes_no(entry.scope.is_some()), yes_no(rules.shares_tests)];
            assert_eq!(documented(&rows, &case), decision, "{case:?}");
        });
    }

    #[test]
    fn every_entry_that_is_served_was_shared() {
        // A get serves nothing that a put of the same kind would not have shared with some proof.
        each(|entry, rules| {
            if get(entry, rules) != GetDecision::Miss {
                let proofs = [Proof::None, Proof::Toolchain, Proof::List];
                let shared = proofs.map(|proof| put(&Entry { proof, is_short: true, ..*entry }, rules));
                assert!(
                    shared.iter().any(|share| matches!(share, PutDecision::Share(_) | PutDecision::ShareUnder(_))),
                    "{entry:?}"
                );
            }
        });
    }
}

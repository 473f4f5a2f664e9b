//! With whom an entry is shared: a pure table. docs/explanation/soundness.md has it in words, and a test compares the two.
//!
//! An entry whose content Go's key covers is shared with all builds of the namespace. Any other entry is shared under a condition
//! or with a proof, or stays private to the build and its GOCACHE. The client says which of these an entry is: it sees the go
//! command's invocation and the sources. What follows from the kind of the body is decided here.

use proto::{Scope, scopes};
use settings::Witnesses;
use store::{Kind, Origin, Partition, Record, Replaces};

/// What is known of an entry beside its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// The kind of its body.
    pub(crate) kind: Kind,
    pub(crate) proof: Proof,
    pub(crate) class: Class<'a>,
    /// It is at most [`proto::limits::TEST_BODY`] long.
    pub(crate) is_short: bool,
    /// The partition that it is in, or would be put in; `None`: the build may write to none.
    pub(crate) partition: Option<Partition>,
}

/// With whom its client shares it, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class<'a> {
    /// With every build.
    Plain,
    /// With those where this scope has the same digest.
    Under(&'a Scope),
    /// With none.
    Private,
}

impl<'a> Class<'a> {
    /// That of an entry with this condition.
    pub(crate) fn under(scope: Option<&'a Scope>) -> Self {
        scope.map_or(Self::Plain, Class::Under)
    }
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
    /// The go command's invocation brings in what Go's keys leave out.
    pub(crate) only_conditional: bool,
    /// Builds of how many names have to put an output before it is given to builds of other names.
    pub(crate) witnesses: Witnesses,
}

/// What is done with a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutDecision<'a> {
    /// It is shared with all builds that read the namespace.
    Share(Replaces),
    /// It is shared with those builds where this scope has the same digest.
    ShareUnder(&'a Scope),
    /// It stays private to the build and its GOCACHE.
    Private,
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
    let Some(Partition::Common | Partition::User(_)) = entry.partition else { return PutDecision::Private };
    match (entry.kind, entry.proof, entry.class) {
        (Kind::Content | Kind::Archive, _, Class::Under(scope)) if is_for(scope, rules) => {
            PutDecision::ShareUnder(scope)
        }
        (_, _, Class::Under(_)) => PutDecision::Private,
        _ if rules.only_conditional => PutDecision::Private,
        (Kind::Mtime | Kind::StoreIndex, Proof::Toolchain, _) => PutDecision::Share(Replaces::Nothing),
        (_, _, Class::Private) => PutDecision::Private,
        (Kind::Content | Kind::Archive, _, Class::Plain) => PutDecision::Share(Replaces::Nothing),
        // A later run of the test has the better list of its inputs.
        (Kind::TestLog, _, Class::Plain) if entry.is_short => PutDecision::Share(Replaces::SameKind),
        (Kind::TestResult, Proof::List, Class::Plain) if entry.is_short && rules.shares_tests => {
            PutDecision::Share(Replaces::SameKind)
        }
        (Kind::TestLog | Kind::TestResult | Kind::TestInputs | Kind::Mtime | Kind::StoreIndex, _, Class::Plain) => {
            PutDecision::Private
        }
    }
}

/// What a session may be given of what others put. For a session that reads its toolchain's own sources the proof is
/// [`Proof::Toolchain`].
pub(crate) fn get(entry: &Entry<'_>, rules: SharingRules) -> GetDecision {
    // A build that may read a partition reads all kinds of entries there.
    let Some(Partition::Common | Partition::User(_)) = entry.partition else { return GetDecision::Miss };
    match (entry.kind, entry.proof, entry.class) {
        (Kind::Content | Kind::Archive, _, Class::Under(scope)) if is_for(scope, rules) => GetDecision::HitIfSame,
        (_, _, Class::Under(_) | Class::Private) => GetDecision::Miss,
        _ if rules.only_conditional => GetDecision::Miss,
        (Kind::Content | Kind::Archive | Kind::TestLog, _, Class::Plain) => GetDecision::Hit,
        (Kind::TestResult, _, Class::Plain) if rules.shares_tests => GetDecision::HitIfListed,
        (Kind::StoreIndex, Proof::Toolchain, Class::Plain) => GetDecision::Hit,
        (Kind::TestResult | Kind::TestInputs | Kind::Mtime | Kind::StoreIndex, _, Class::Plain) => GetDecision::Miss,
    }
}

/// What a session of a build with this name may be given of a record of others; `proof` as [`get`] has it.
pub(crate) fn get_record(record: &Record, proof: Proof, name: &str, rules: SharingRules) -> GetDecision {
    if !is_witnessed(&record.origin, name, rules) {
        return GetDecision::Miss;
    }
    let class = Class::under(record.condition.as_ref().map(|condition| &condition.scope));
    let (kind, partition, is_short) = (record.kind, Some(record.origin.partition), is_short(record.output.size));
    get(&Entry { kind, proof, class, is_short, partition }, rules)
}

/// Whether enough builds put an output for a build of this name to have it.
pub(crate) fn is_witnessed(origin: &Origin, name: &str, rules: SharingRules) -> bool {
    rules.witnesses == Witnesses::One || origin.witness.is_some() || origin.name.as_str() == name
}

/// Whether entries with this scope are for a go command of this kind. Of one that brings in anything by its invocation they are
/// under a scope of their own, which holds that invocation.
fn is_for(scope: &Scope, rules: SharingRules) -> bool {
    *scope != scopes::PRIVATE && (*scope == scopes::TREE_WITH_GO) == rules.only_conditional
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
    use store::BuildName;

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

    fn class_word(class: Class<'_>) -> &'static str {
        match class {
            Class::Plain => "plain",
            Class::Private => "private",
            Class::Under(scope) if *scope == scopes::TREE_WITH_GO => "tree with Go",
            Class::Under(scope) if *scope == scopes::PRIVATE => "private scope",
            Class::Under(_) => "scope",
        }
    }

    /// All combinations.
    fn each(mut check: impl FnMut(&Entry<'_>, SharingRules)) {
        let mut of_kind = |kind, proof, class| {
            for [is_short, is_common, shares_tests, only_conditional] in YES.into_iter().flat_map(|short| {
                YES.into_iter().flat_map(move |common| {
                    YES.into_iter().flat_map(move |tests| YES.map(|conditional| [short, common, tests, conditional]))
                })
            }) {
                let partition = Some(if is_common { Partition::Common } else { Partition::User(7) });
                let entry = Entry { kind, proof, class, is_short, partition };
                check(&entry, SharingRules { shares_tests, only_conditional, witnesses: Witnesses::One });
            }
        };
        let scopes = [Scope::module("m", None).unwrap(), scopes::VET, scopes::TREE_WITH_GO, scopes::PRIVATE];
        for kind in Kind::ALL {
            for proof in [Proof::None, Proof::Toolchain, Proof::List] {
                [Class::Plain, Class::Private].into_iter().for_each(|class| of_kind(kind, proof, class));
                scopes.iter().for_each(|scope| of_kind(kind, proof, Class::Under(scope)));
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
                PutDecision::ShareUnder(_) => "shared under the condition",
                PutDecision::Private => "private",
            };
            let case = [
                name(entry.kind),
                word(entry.proof),
                class_word(entry.class),
                yes_no(entry.is_short),
                yes_no(rules.shares_tests),
                yes_no(rules.only_conditional),
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
                GetDecision::HitIfSame => "a hit if the condition holds",
                GetDecision::Miss => "a miss",
            };
            let case = [
                name(entry.kind),
                word(entry.proof),
                class_word(entry.class),
                yes_no(rules.shares_tests),
                yes_no(rules.only_conditional),
            ];
            assert_eq!(documented(&rows, &case), decision, "{case:?}");
        });
    }

    #[test]
    fn with_two_witnesses_an_output_is_for_its_builds_name_until_another_put_it() {
        let origin = |name, witness: Option<&str>| {
            let (name, witness) = (BuildName::new(name), witness.map(BuildName::new));
            Origin { build: None, name, witness, partition: Partition::Common, key: None }
        };
        let rules = |witnesses| SharingRules { shares_tests: true, only_conditional: false, witnesses };
        for (witness, name, two) in [(None, "a", true), (None, "b", false), (Some("c"), "b", true)] {
            assert!(is_witnessed(&origin("a", witness), name, rules(Witnesses::One)));
            assert_eq!(is_witnessed(&origin("a", witness), name, rules(Witnesses::Two)), two, "{witness:?} {name}");
        }
    }

    #[test]
    fn a_build_without_a_partition_keeps_everything_to_itself() {
        each(|entry, rules| {
            assert_eq!(put(&Entry { partition: None, ..*entry }, rules), PutDecision::Private, "{entry:?}");
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

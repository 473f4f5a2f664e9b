//! With whom an entry is shared: a pure table. docs/explanation/soundness.md has it in words, and a test compares the two.
//!
//! What Go's key covers is everyone's who reads the namespace; what it does not is shared under a condition or for a proof, or
//! stays with the build.

use proto::Scope;
use store::{Kind, Partition, Replaces};

/// What is known of an entry beside its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// What its body is.
    pub(crate) kind: Kind,
    pub(crate) proof: Proof,
    /// The scope of its condition, if it has one.
    pub(crate) scope: Option<&'a Scope>,
    /// It is at most [`proto::limits::TEST_BODY`] long.
    pub(crate) is_short: bool,
    /// Where it is, or is to go.
    pub(crate) partition: Partition,
}

/// What else says that it is true for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing.
    None,
    /// Its key is one of the toolchain's own directory in the Nix store (goroot.rs), and the session reads that.
    Toolchain,
    /// A list of what the test looked at comes with it.
    List,
}

/// How the daemon and the client are set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// Results of tests go from build to build.
    pub(crate) shares_tests: bool,
    /// The client keeps by itself what is not for others.
    pub(crate) keeps_its_own: bool,
}

/// What becomes of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision<'a> {
    /// Everyone's who reads the namespace.
    Share(Replaces),
    /// Theirs where this scope holds the same.
    ShareUnder(&'a Scope),
    /// The build's.
    Private,
    /// Nobody's: the client keeps it.
    Refuse,
}

/// What becomes of a get for which there is such an entry of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serve {
    /// It is a hit.
    Hit,
    /// It is one if the client finds everything as the list says.
    HitIfListed,
    /// It is one if the client finds that the scope holds the same.
    HitIfSame,
    /// It is a miss.
    Miss,
}

/// With whom what was put is shared.
pub(crate) fn put<'a>(about: &About<'a>, mode: Mode) -> Decision<'a> {
    // Who may write to a partition writes all kinds of entries there.
    let (Partition::Common | Partition::User(_)) = about.partition;
    match (about.kind, about.proof, about.scope) {
        (Kind::Content | Kind::Archive, _, None) => Decision::Share(Replaces::Nothing),
        (Kind::Content | Kind::Archive, _, Some(scope)) => Decision::ShareUnder(scope),
        // A later run of the test knows better what it looks at.
        (Kind::TestLog, _, None) if about.is_short => Decision::Share(Replaces::SameKind),
        (Kind::TestLog, _, Some(scope)) if about.is_short => Decision::ShareUnder(scope),
        (Kind::TestResult, Proof::List, None) if about.is_short && mode.shares_tests => {
            Decision::Share(Replaces::SameKind)
        }
        (Kind::Mtime | Kind::StoreIndex, Proof::Toolchain, None) => Decision::Share(Replaces::Nothing),
        (Kind::TestLog | Kind::TestResult | Kind::TestInputs | Kind::Mtime | Kind::StoreIndex, _, _) => {
            if mode.keeps_its_own { Decision::Refuse } else { Decision::Private }
        }
    }
}

/// What a session may be given of what others put. Of a session that reads its toolchain's own sources the proof is
/// [`Proof::Toolchain`].
pub(crate) fn get(about: &About<'_>, mode: Mode) -> Serve {
    // Who may read a partition reads all kinds of entries there.
    let (Partition::Common | Partition::User(_)) = about.partition;
    match (about.kind, about.proof, about.scope) {
        (Kind::Content | Kind::Archive | Kind::TestLog, _, None) => Serve::Hit,
        (Kind::Content | Kind::Archive | Kind::TestLog, _, Some(_)) => Serve::HitIfSame,
        (Kind::TestResult, _, None) if mode.shares_tests => Serve::HitIfListed,
        (Kind::StoreIndex, Proof::Toolchain, None) => Serve::Hit,
        (Kind::TestResult | Kind::TestInputs | Kind::Mtime | Kind::StoreIndex, _, _) => Serve::Miss,
    }
}

/// Whether a body may be an index of the toolchain's, which goroot.rs finds out.
pub(crate) fn may_be_of_toolchain(kind: Kind) -> bool {
    kind == Kind::Mtime
}

/// What a body is whose proof is this.
pub(crate) fn kind_with(proof: Proof, kind: Kind) -> Kind {
    if proof == Proof::Toolchain { Kind::StoreIndex } else { kind }
}

/// What a body proves of another one that comes with it: a list of what a test looked at, of that test's result and of nothing else.
pub(crate) fn proof_by(list: Kind, of: Kind) -> Proof {
    if (list, of) == (Kind::TestInputs, Kind::TestResult) { Proof::List } else { Proof::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../../docs/explanation/soundness.md");

    /// The rows of the table under a heading, without its first two lines.
    fn rows(heading: &str) -> Vec<Vec<&'static str>> {
        let (_, rest) =
            DOCS.split_once(heading).unwrap_or_else(|| panic!("docs/explanation/soundness.md has no {heading}"));
        let table = rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        table.skip(2).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }

    /// What the first row says that fits; a cell fits by one of its words, or by `any`.
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

    /// All there can be.
    fn each(mut check: impl FnMut(&About<'_>, Mode)) {
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
                        let about = About { kind, proof, scope, is_short, partition };
                        check(&about, Mode { shares_tests, keeps_its_own });
                    }
                }
            }
        }
    }

    #[test]
    fn the_documentation_has_what_becomes_of_a_put() {
        let rows = rows("### Puts");
        each(|about, mode| {
            let said = match put(about, mode) {
                Decision::Share(Replaces::Nothing) => "shared, the first stays",
                Decision::Share(Replaces::SameKind) => "shared, a later one replaces it",
                Decision::Share(Replaces::Any) => "shared, whatever was there",
                Decision::ShareUnder(_) => "shared under the scope",
                Decision::Private => "the build's own",
                Decision::Refuse => "left to the client",
            };
            let case = [
                name(about.kind),
                word(about.proof),
                yes_no(about.scope.is_some()),
                yes_no(about.is_short),
                yes_no(mode.shares_tests),
                yes_no(mode.keeps_its_own),
            ];
            assert_eq!(documented(&rows, &case), said, "{case:?}");
        });
    }

    #[test]
    fn the_documentation_has_what_becomes_of_a_get() {
        let rows = rows("### Gets");
        each(|about, mode| {
            let said = match get(about, mode) {
                Serve::Hit => "a hit",
                Serve::HitIfListed => "a hit if all is as listed",
                Serve::HitIfSame => "a hit if the scope holds the same",
                Serve::Miss => "a miss",
            };
            let case = [name(about.kind), word(about.proof), yes_no(about.scope.is_some()), yes_no(mode.shares_tests)];
            assert_eq!(documented(&rows, &case), said, "{case:?}");
        });
    }

    #[test]
    fn what_is_served_was_shared() {
        // A get never gives what a put of the same kind would not have given: but for how it was proved then.
        each(|about, mode| {
            if get(about, mode) != Serve::Miss {
                let proofs = [Proof::None, Proof::Toolchain, Proof::List];
                let shared = proofs.map(|proof| put(&About { proof, is_short: true, ..*about }, mode));
                assert!(
                    shared.iter().any(|share| matches!(share, Decision::Share(_) | Decision::ShareUnder(_))),
                    "{about:?}"
                );
            }
        });
    }
}

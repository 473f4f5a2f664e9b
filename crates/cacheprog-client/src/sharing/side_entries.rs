//! Which put belongs to which other. A package has entries beside its archive: what the compiler printed, the list of its sources and
//! the generated ones. cmd/go puts them under keys that are made of the package's, before the package itself
//! (cmd/go/internal/work/exec.go `cacheSrcFiles`, buildid.go `updateBuildID`, Go 1.21-1.27). So they are held here until the package
//! is put, and get its terms. Pure: a table.

use std::collections::HashMap;

use proto::condition::scopes;
use proto::{ActionId, OutputId, Scope};
use sha2::{Digest, Sha256};

use super::class::Side;

/// Entries that are held: `go build std` holds some ten at a time. More are private.
const MAX_HELD: usize = 16 << 10;

/// An entry that others may use, on these terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToShare<T> {
    pub(crate) action: ActionId,
    pub(crate) output: OutputId,
    pub(crate) terms: T,
}

/// The entries that belong to no package yet.
#[derive(Debug, Default)]
pub(crate) struct SideEntries {
    held: HashMap<ActionId, WaitingEntry>,
    /// For each of them the action that vet puts what it printed under, if it is vet's.
    outputs_of_vet: HashMap<ActionId, ActionId>,
}

#[derive(Debug)]
struct WaitingEntry {
    output: OutputId,
    side: Side,
}

/// The facts of vet, and the text that it printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VetPair {
    pub(crate) facts: (ActionId, OutputId),
    pub(crate) printed: (ActionId, OutputId),
}

impl SideEntries {
    /// Holds an entry; but if it is what vet printed, both entries of vet are taken out and returned. Vet puts its facts first, and what
    /// it printed under a key that is made of their key; for a compiler it is the other way around
    /// (cmd/go/internal/work/exec.go `vet`, Go 1.26-1.27).
    pub(crate) fn hold(&mut self, action: ActionId, output: OutputId, side: Side) -> Option<VetPair> {
        if let Some(facts) = self.outputs_of_vet.remove(&action)
            && let Some(held) = self.held.remove(&facts)
        {
            self.take(&facts.subkey("fix.zip")); // it holds what vet would change, and stays private
            return Some(VetPair { facts: (facts, held.output), printed: (action, output) });
        }
        if self.held.len() < MAX_HELD {
            self.outputs_of_vet.insert(action.subkey("stdout"), action);
            self.held.insert(action, WaitingEntry { output, side });
        }
        None
    }

    /// Whether the compiler printed nothing for the package with this action. In doubt it did.
    pub(crate) fn is_silent(&self, package: &ActionId) -> bool {
        self.held.get(&package.subkey("stdout")).is_some_and(|held| held.side == Side::Empty)
    }

    /// Whether some of a package's sources were generated, and are held.
    pub(crate) fn has_generated_sources(&self, package: &ActionId) -> bool {
        let list = self.held.get(&package.subkey("srcfiles"));
        list.is_some_and(|list| matches!(&list.side, Side::Sources(names) if !names.is_empty()))
    }

    /// Takes out the entries of a package. Its path is needed to find the description of its coverage, if it has one.
    pub(crate) fn take_of(&mut self, package: &ActionId, path: Option<&str>) -> Vec<(ActionId, OutputId)> {
        let mut names = vec!["stdout".into(), "srcfiles".into(), "_cgo_install.h".into()];
        if let Some(WaitingEntry { side: Side::Sources(generated), .. }) = self.held.get(&package.subkey("srcfiles")) {
            names.extend(generated.iter().cloned());
        }
        // cmd/internal/cov/covcmd/cmddefs.go `MetaFileForPackage`, Go 1.22-1.27. A package that is tested has a longer name.
        let paths = path.into_iter().flat_map(|path| [path.to_owned(), format!("{path} [{path}.test]")]);
        names.extend(paths.map(|path| format!("covmeta.{}", hex(&Sha256::digest(path))).into_boxed_str()));
        let mut taken = Vec::new();
        for name in names {
            let action = package.subkey(&name);
            taken.extend(self.take(&action).map(|held| (action, held.output)));
        }
        taken
    }

    /// Whether one of the entries of a package that cmd/go may put later is held.
    pub(crate) fn has_later_entry(&self, package: &ActionId) -> bool {
        ["srcfiles", "_cgo_install.h"].iter().any(|name| self.held.contains_key(&package.subkey(name)))
    }

    /// What a linker printed for a program is no part of its package, and stays private.
    pub(crate) fn drop_linker_output(&mut self, package: &ActionId) {
        self.take(&package.subkey("link-stdout"));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes out those that belong to no package and can be shared all the same. `facts_stand_alone`: vet puts them without a printed
    /// text (Go 1.21 to 1.25).
    pub(crate) fn take_rest(&mut self, facts_stand_alone: bool) -> Vec<ToShare<Scope>> {
        self.outputs_of_vet.clear();
        let held = self.held.drain();
        let shared = held.filter_map(|(action, WaitingEntry { output, side })| {
            let terms = match side {
                Side::CompilerCheck => scopes::STD,
                Side::Profile => scopes::TREE,
                Side::Facts | Side::Empty if facts_stand_alone => scopes::FACTS,
                // Generated sources of a package that was not compiled may be among the others. Their module is not known, and it
                // may lie outside of the tree.
                Side::Facts | Side::Empty | Side::Sources(_) | Side::Other => return None,
            };
            Some(ToShare { action, output, terms })
        });
        shared.collect()
    }

    fn take(&mut self, action: &ActionId) -> Option<WaitingEntry> {
        let held = self.held.remove(action)?;
        self.outputs_of_vet.remove(&action.subkey("stdout"));
        Some(held)
    }
}

fn hex(bytes: &[u8]) -> String {
    proto::id::hex(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: ActionId = ActionId([1; 32]);

    fn output(n: u8) -> OutputId {
        OutputId([n; 32])
    }

    fn generated() -> Side {
        Side::Sources(vec!["_cgo_gotypes.go".into()])
    }

    #[test]
    fn the_entries_of_a_package_are_taken_out_with_it() {
        let mut table = SideEntries::default();
        let of = |name| PACKAGE.subkey(name);
        let [covered, tested] = ["a/b", "a/b [a/b.test]"].map(|path| format!("covmeta.{}", hex(&Sha256::digest(path))));
        let names = ["stdout", "srcfiles", "_cgo_install.h", "_cgo_gotypes.go", &covered, &tested];
        for (name, n) in names.iter().zip(1..) {
            let side = if *name == "srcfiles" { generated() } else { Side::Other };
            assert_eq!(table.hold(of(name), output(n), side), None);
        }
        table.hold(of("other.go"), output(9), Side::Other);
        assert!(table.has_generated_sources(&PACKAGE) && table.has_later_entry(&PACKAGE));
        let taken = table.take_of(&PACKAGE, Some("a/b"));
        assert_eq!(taken, names.iter().zip(1..).map(|(name, n)| (of(name), output(n))).collect::<Vec<_>>());
        assert_eq!(table.held.len(), 1);
        assert_eq!(table.outputs_of_vet.len(), 1);
        assert_eq!(table.take_of(&PACKAGE, None), []);
        assert_eq!(table.take_rest(true), []);
    }

    #[test]
    fn a_package_is_silent_if_its_empty_output_was_put() {
        let mut table = SideEntries::default();
        assert!(!table.is_silent(&PACKAGE));
        table.hold(PACKAGE.subkey("stdout"), output(1), Side::Other);
        assert!(!table.is_silent(&PACKAGE));
        table.hold(PACKAGE.subkey("stdout"), output(1), Side::Empty);
        assert!(table.is_silent(&PACKAGE));
    }

    #[test]
    fn the_entries_of_vet_belong_together() {
        let mut table = SideEntries::default();
        let printed = PACKAGE.subkey("stdout");
        for (n, facts) in [Side::Facts, Side::Empty].into_iter().enumerate() {
            assert_eq!(table.hold(PACKAGE, output(1), facts), None);
            assert_eq!(table.hold(PACKAGE.subkey("fix.zip"), output(2), Side::Other), None);
            let pair = table.hold(printed, output(3), Side::Empty);
            assert_eq!(pair, Some(VetPair { facts: (PACKAGE, output(1)), printed: (printed, output(3)) }), "{n}");
            assert!(table.held.is_empty() && table.outputs_of_vet.is_empty());
        }
        // A compiler's output comes before its package.
        assert_eq!(table.hold(printed, output(3), Side::Empty), None);
        assert_eq!(table.take_of(&PACKAGE, None), [(printed, output(3))]);
    }

    #[test]
    fn what_belongs_to_nothing_is_shared_by_its_kind() {
        let sides = [Side::CompilerCheck, Side::Profile, Side::Facts, Side::Empty, generated(), Side::Other];
        let rest = |facts_stand_alone| {
            let mut table = SideEntries::default();
            for (side, n) in sides.iter().zip(1..) {
                table.hold(ActionId([n; 32]), output(n), side.clone());
            }
            table.hold(PACKAGE.subkey("link-stdout"), output(9), Side::Empty);
            table.drop_linker_output(&PACKAGE);
            let mut rest: Vec<_> =
                table.take_rest(facts_stand_alone).into_iter().map(|share| (share.action.0[0], share.terms)).collect();
            rest.sort();
            assert!(table.is_empty());
            rest
        };
        let alone = [(1, scopes::STD), (2, scopes::TREE)];
        assert_eq!(rest(false), alone);
        assert_eq!(rest(true), [&alone[..], &[(3, scopes::FACTS), (4, scopes::FACTS)]].concat());
    }

    #[test]
    fn more_entries_than_the_limit_are_not_held() {
        let mut table = SideEntries::default();
        for n in 0..=MAX_HELD as u64 {
            let mut action = [0; 32];
            action[..8].copy_from_slice(&n.to_le_bytes());
            table.hold(ActionId(action), output(1), Side::Empty);
        }
        assert_eq!(table.held.len(), MAX_HELD);
    }
}

//! Whether anything is installed at all: where nothing is, one command helps, and each other check would find its part of that. A cache and
//! settings that were kept are no installation; a cache that the user names elsewhere is asked about. Pure.

use proto::finding::{Finding, bad, good};
use settings::StateDir;

use super::facts::{Facts, Unit};
use crate::error;

/// What to do where there is nothing at all.
pub(crate) fn missing(facts: &Facts) -> Option<Finding> {
    let has_daemon = matches!(facts.daemon, Some(Ok(_))) || facts.control.1.is_some();
    let has_unit = facts.unit.as_ref().is_some_and(Unit::is_installed);
    let (dir, permissions) = &facts.state;
    let names_state = permissions.is_some() && !StateDir { state_dir: dir.clone() }.is_default();
    if facts.hook.is_some() || has_daemon || has_unit || names_state {
        return None;
    }
    if !facts.has_nix {
        return Some(good("the installation", error::NO_NIX));
    }
    let (found, fix) = error::install(facts.is_nixos);
    Some(bad("the installation", found, fix))
}

#[cfg(test)]
mod tests {
    use proto::finding::Level;

    use super::super::facts::Permissions;
    use super::*;

    #[test]
    fn before_an_installation_there_is_one_fix() {
        let none = Facts { unit: Some(Unit::default()), has_nix: true, ..Facts::default() };
        assert_eq!(
            missing(&none).unwrap().fix,
            "run `cacheprogctl install` as root (a single-user Nix: `cacheprogctl install --user`)"
        );
        let at = |dir: &str| (dir.into(), Some(Permissions { uid: 0, mode: 0o755 }));
        assert_eq!(missing(&Facts { state: at("/elsewhere"), ..none.clone() }), None);
        let state = at("/var/cache/nix-gocacheprog");
        for kept in [Facts { is_hidden: true, ..none.clone() }, Facts { state, ..none.clone() }] {
            assert_eq!(missing(&kept), missing(&none), "a kept cache is no installation");
        }
        let unit = Unit { enabled: "enabled".to_owned(), ..Unit::default() };
        let installed = Facts { unit: Some(unit), ..none };
        assert_eq!(missing(&installed), None);
    }

    #[test]
    fn without_nix_nothing_has_to_be_installed() {
        let found = missing(&Facts::default()).unwrap();
        assert_eq!((found.level, found.fix.as_str()), (Level::Good, ""));
        assert!(found.found.contains("`cacheprogctl status --store`"), "{}", found.found);
    }
}

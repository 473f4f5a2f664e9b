//! Which earlier builds a build is compared with, and names of derivations without their versions.

use std::cmp::Reverse;

use proto::control::BuildStatus;

/// How many earlier builds are tried.
const TRIED: usize = 5;

/// Earlier builds to compare with, the nearest first: those of the same name, then those whose name differs in the version.
#[must_use]
pub fn earlier_builds<'a>(build: &BuildStatus, all: &'a [BuildStatus]) -> Vec<&'a BuildStatus> {
    let name = without_version(&build.name);
    let comes_before = |other: &&BuildStatus| other.short != build.short && other.started <= build.started;
    let fetches = fetches_modules(&build.name);
    let is_alike =
        |other: &&BuildStatus| without_version(&other.name) == name && fetches_modules(&other.name) == fetches;
    let mut earlier: Vec<_> = all.iter().filter(comes_before).filter(is_alike).filter(|o| o.counts.gets > 0).collect();
    earlier.sort_by_key(|other| Reverse((other.name == build.name, other.started, other.ended)));
    earlier.truncate(TRIED);
    earlier
}

/// Whether it is the name of a derivation that fetches modules (nixpkgs' `buildGoModule`): it compiles no packages, and without its
/// version it has the name of the package.
#[must_use]
pub fn fetches_modules(name: &str) -> bool {
    name.ends_with("-go-modules")
}

/// A derivation's name without its version, which begins at the first dash that no letter follows (`builtins.parseDrvName`).
#[must_use]
pub fn without_version(name: &str) -> &str {
    let is_version =
        |at: &(usize, char)| at.1 == '-' && name[at.0 + 1..].chars().next().is_some_and(|next| !next.is_alphabetic());
    name.char_indices().find(is_version).map_or(name, |(at, _)| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_fetches_modules_is_compared_with_its_like() {
        let build = |short: &str, name: &str| BuildStatus {
            short: short.into(),
            name: name.into(),
            counts: proto::control::Counts { gets: 1, ..Default::default() },
            ..BuildStatus::default()
        };
        let all = [build("1", "x-1-go-modules"), build("2", "x-1"), build("3", "x-2-go-modules"), build("4", "x-2")];
        let earlier =
            |at: usize| earlier_builds(&all[at], &all).iter().map(|one| one.short.as_str()).collect::<Vec<_>>();
        assert_eq!((earlier(3), earlier(2)), (vec!["2"], vec!["1"]));
    }

    #[test]
    fn versions_end_names_as_nix_says() {
        let names = ["caddy-2.10.0", "go-tools", "x-1-y", "x", "x-", "a-b-3"].map(without_version);
        assert_eq!(names, ["caddy", "go-tools", "x", "x", "x-", "a-b"]);
    }
}

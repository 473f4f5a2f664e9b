//! Finds variables that change in every build of a name and cost it hits: an attribute such as a revision, which each commit changes,
//! is a part of every condition that has variables. Pure.
//!
//! The daemon found what differs (proto: profile.rs `Rejection`); which profiles are looked at, facts.rs decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::figures::duration;
use proto::finding::{Finding, Level};
use proto::parts::Part;
use proto::profile::{Action, BuildProfile, Rejection};

/// In so many builds of a name, one after the other, a variable has to differ.
pub(crate) const BUILDS: usize = 3;

/// What to do about such a variable. Conditions leave out `ldflags`, the texts of phases, and what is in no environment.
const FIX: &str = "pass it to Go in `ldflags` (-X), or set it in the text of the phase that needs it; what only Nix reads belongs \
                   into `passthru`";

/// One finding for each name; a good one where there is none.
pub(crate) fn findings(profiles: &[BuildProfile]) -> Vec<Finding> {
    let what = "variables that change in each build";
    let found: Vec<_> = changing_variables(profiles)
        .into_iter()
        .map(|one| Finding { what, level: Level::Warn, found: one.text(), fix: FIX.to_owned() })
        .collect();
    let none = || vec![Finding { what, level: Level::Good, found: "none costs hits".to_owned(), fix: String::new() }];
    if found.is_empty() { none() } else { found }
}

/// A variable that differed in each of the latest builds of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ChangingVariable {
    /// The name of the builds, without its version.
    name: String,
    /// The variables: several where they change together.
    variables: Vec<String>,
    /// The builds, by their short ids, the latest first.
    builds: Vec<String>,
    /// Packages that these builds compiled again for it.
    compiled: usize,
    /// How long that took, in milliseconds.
    cost_ms: u64,
}

impl ChangingVariable {
    fn text(&self) -> String {
        format!(
            "{} in each of the last {} builds of {} ({}): {} packages were compiled again for it, {} of compiling",
            self.variables.join(", "),
            self.builds.len(),
            self.name,
            self.builds.join(", "),
            self.compiled,
            duration(Duration::from_millis(self.cost_ms)),
        )
    }
}

/// What the latest profiles tell, the latest first, of one name after the other.
fn changing_variables(profiles: &[BuildProfile]) -> Vec<ChangingVariable> {
    let mut by_name: BTreeMap<&str, Vec<&BuildProfile>> = BTreeMap::new();
    for profile in profiles {
        by_name.entry(miss_causes::without_version(&profile.build.name)).or_default().push(profile);
    }
    by_name.into_iter().filter_map(|(name, builds)| of_name(name, &builds)).collect()
}

/// What the builds of one name have in common, from the latest one back for as long as there is something.
fn of_name(name: &str, builds: &[&BuildProfile]) -> Option<ChangingVariable> {
    let mut common: BTreeSet<&str> = BTreeSet::new();
    let mut costly = Vec::new();
    for build in builds {
        let variables = alone(build);
        let both: BTreeSet<_> = if costly.is_empty() { variables } else { &common & &variables };
        if both.is_empty() {
            break;
        }
        common = both;
        costly.push(*build);
    }
    if costly.len() < BUILDS {
        return None;
    }
    let (mut compiled, mut cost_ms) = (0, 0);
    for build in &costly {
        let is_for_it = |action: &&Action| {
            let rejection = action.rejection.and_then(|index| build.rejections.get(usize::from(index)));
            action.get.is_miss()
                && rejection.is_some_and(|rejection| variables_of(rejection).any(|name| common.contains(name)))
        };
        let packages: Vec<_> = build.packages.iter().map(|package| &package.action).filter(is_for_it).collect();
        let others = build.others.iter().map(|other| &other.action).filter(is_for_it);
        compiled += packages.len();
        cost_ms += packages.into_iter().chain(others).map(|action| u64::from(action.cost_ms)).sum::<u64>();
    }
    Some(ChangingVariable {
        name: name.to_owned(),
        variables: common.into_iter().map(str::to_owned).collect(),
        builds: costly.iter().map(|build| build.build.short.clone()).collect(),
        compiled,
        cost_ms,
    })
}

/// The variables of this build that kept it from entries while the rest of a scope was the same.
fn alone(build: &BuildProfile) -> BTreeSet<&str> {
    build.rejections.iter().flat_map(variables_of).collect()
}

/// The variables that differ; none where something else differs too.
fn variables_of(rejection: &Rejection) -> impl Iterator<Item = &str> {
    let is_alone = rejection.more == 0 && rejection.differences.iter().all(|one| one.part == Part::Variable);
    let differences = if is_alone { &rejection.differences[..] } else { &[] };
    differences.iter().map(|one| one.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::control::BuildStatus;
    use proto::parts::Difference;
    use proto::profile::{GetOutcome, Package};

    /// A build with two packages that were rejected for these differences, the first of them compiled in 100 ms.
    fn build(short: &str, differences: &[(Part, &str)]) -> BuildProfile {
        let differences = differences.iter().map(|(part, name)| Difference { part: *part, name: (*name).to_owned() });
        let rejection = Rejection { scope: "tree".into(), differences: differences.collect(), more: 0 };
        let package = |get, rejection, cost_ms| Package {
            action: Action { get, rejection, cost_ms, ..Action::default() },
            ..Package::default()
        };
        BuildProfile {
            build: BuildStatus {
                short: short.into(),
                name: format!("web-1.{}", short.len()),
                ..BuildStatus::default()
            },
            packages: vec![
                package(GetOutcome::Rejected, Some(0), 100),
                package(GetOutcome::Rejected, Some(9), 7),
                package(GetOutcome::Hit, None, 0),
            ],
            rejections: vec![rejection],
            ..BuildProfile::default()
        }
    }

    #[test]
    fn a_variable_that_differs_in_three_builds_while_the_rest_is_the_same_is_named_with_its_cost() {
        let (rev, date, file) = ((Part::Variable, "REV"), (Part::Variable, "DATE"), (Part::File, "a.h"));
        let found = |builds: &[BuildProfile]| changing_variables(builds).into_iter().next();
        let three = [build("c", &[rev]), build("bb", &[rev, date]), build("a", &[rev])];
        assert_eq!(
            found(&three),
            Some(ChangingVariable {
                name: "web".into(),
                variables: vec!["REV".into()],
                builds: vec!["c".into(), "bb".into(), "a".into()],
                compiled: 3,
                cost_ms: 300,
            })
        );
        let text = &findings(&three)[0].found;
        assert!(text.starts_with("REV in each of the last 3 builds of web (c, bb, a): 3 packages"), "{text}");
        assert_eq!(findings(&three[..2])[0].level, Level::Good);
        assert_eq!(found(&three[..2]), None);
        let with_older = [&three[..], &[build("0", &[date])]].concat();
        assert_eq!(found(&with_older).unwrap().builds.len(), 3);
        assert_eq!(found(&[build("c", &[rev]), build("b", &[rev, file]), build("a", &[rev])]), None);
        assert_eq!(found(&[build("c", &[rev]), build("b", &[]), build("a", &[rev])]), None);
        assert_eq!(found(&[build("c", &[rev]), build("b", &[date]), build("a", &[rev])]), None);
        let both = [build("c", &[rev, date]), build("b", &[rev, date]), build("a", &[date, rev])];
        assert_eq!(found(&both).unwrap().variables, ["DATE", "REV"]);
    }
}

//! Finds the build that a user names: by id, by name, by name without the version. Pure.

use proto::control::{BuildStatus, Builds};

use crate::error::CommandError;

/// How many names an error suggests.
const NEAREST: usize = 3;

/// How similar a name has to be to be suggested.
const SIMILAR: f64 = 0.5;

/// Fewest letters of an id that stand for a build: fewer are more likely a name.
const PREFIX: usize = 4;

/// The builds that a user names, in their order: the one whose id begins so, else those of this name, else those of this name without
/// their version, else all whose ids begin so.
///
/// # Errors
/// Where there is none: the nearest names.
pub(crate) fn matching<'a>(builds: &'a Builds, wanted: &str) -> Result<Vec<&'a BuildStatus>, CommandError> {
    let all = |is_it: &dyn Fn(&BuildStatus) -> bool| builds.all().filter(|build| is_it(build)).collect::<Vec<_>>();
    let by_id = all(&|build| wanted.len() >= PREFIX && build.short.starts_with(wanted));
    if by_id.len() == 1 {
        return Ok(by_id);
    }
    let named = [all(&|build| build.name == wanted), all(&|build| miss_causes::without_version(&build.name) == wanted)];
    let named = named.into_iter().find(|named| !named.is_empty());
    named.or((!by_id.is_empty()).then_some(by_id)).ok_or_else(|| CommandError::NoBuild {
        wanted: wanted.to_owned(),
        nearest: nearest_names(wanted, builds.all().map(|build| build.name.as_str())),
    })
}

/// The latest of the builds that a user names; of those with packages, where there are any: a build that fetches the modules of a
/// package has its name without the version.
///
/// # Errors
/// As [`matching`], and where it is the beginning of several ids: these.
pub(crate) fn find<'a>(builds: &'a Builds, wanted: &str) -> Result<&'a BuildStatus, CommandError> {
    let matching = matching(builds, wanted)?;
    let is_named = |build: &BuildStatus| build.name == wanted || miss_causes::without_version(&build.name) == wanted;
    let ids = || matching.iter().map(|build| build.short.as_str()).collect::<Vec<_>>().join(", ");
    let has_packages = |build: &BuildStatus| {
        !miss_causes::fetches_modules(&build.name) && (build.counts.packages_needed > 0 || build.ended == 0)
    };
    match matching.iter().copied().max_by_key(|build| (has_packages(build), build.started, build.ended)) {
        Some(latest) if matching.len() == 1 || is_named(latest) => Ok(latest),
        _ => Err(CommandError::NoBuild { wanted: wanted.to_owned(), nearest: ids() }),
    }
}

/// The names most similar to one that does not exist, as text; empty where none is similar.
pub(crate) fn nearest_names<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    let like = |name: &str| strsim::normalized_damerau_levenshtein(wanted, name);
    let likeness =
        |name: &str| if name.contains(wanted) { 1.0 } else { like(name).max(like(miss_causes::without_version(name))) };
    let mut near: Vec<_> = names.into_iter().map(|name| (likeness(name), name)).filter(|(l, _)| *l > SIMILAR).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.iter().take(NEAREST).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(short: &str, name: &str, started: u64) -> BuildStatus {
        BuildStatus { short: short.into(), name: name.into(), started, ..BuildStatus::default() }
    }

    #[test]
    fn a_build_is_found_by_id_or_name_and_errors_suggest_the_nearest_names() {
        let builds = Builds {
            live: vec![build("aaaa1111", "caddy-2.10.0", 5)],
            ended: vec![
                build("bbbb2222", "caddy-2.9.1", 9),
                build("cccc3333", "hugo-0.1", 3),
                build("dddd4444", "hugo-0.1", 4),
            ],
        };
        let found = |wanted: &str| find(&builds, wanted).map(|build| build.short.as_str()).map_err(|e| e.to_string());
        assert_eq!(found("bbbb"), Ok("bbbb2222"));
        assert_eq!(found("hugo-0.1"), Ok("dddd4444"));
        assert_eq!(found("caddy"), Ok("bbbb2222"));
        let error = found("cady").unwrap_err();
        assert!(error.contains("caddy-2.10.0, caddy-2.9.1"), "{error}");
        assert!(!error.contains("hugo"), "{error}");
        assert!(!found("0123456789").unwrap_err().contains("did you mean"));
        // `builds` lists what `why` explains.
        let listed = |wanted: &str| {
            let shorts = matching(&builds, wanted).map(|all| all.iter().map(|build| build.short.as_str()).collect());
            shorts.unwrap_or_else(|_| Vec::new())
        };
        assert_eq!(listed("bbbb"), ["bbbb2222"]);
        assert_eq!(listed("bbb"), Vec::<&str>::new(), "three letters are no id");
        let many = Builds { live: vec![build("aaaa1111", "x", 1), build("aaaa2222", "y", 2)], ..Builds::default() };
        assert_eq!(matching(&many, "aaaa").unwrap().len(), 2);
        assert!(find(&many, "aaaa").unwrap_err().to_string().contains("did you mean aaaa1111, aaaa2222?"));
        assert_eq!(listed("hugo-0.1"), ["cccc3333", "dddd4444"]);
        assert_eq!(listed("caddy"), ["aaaa1111", "bbbb2222"]);
        assert_eq!(listed("caddy-2.9.1"), ["bbbb2222"]);
        let ended = vec![build("aaaa1111", "age-1.2", 1), build("bbbb2222", "age-1.2-go-modules", 2)];
        let fetched = Builds { ended, ..Builds::default() };
        let found =
            ["age", "age-1.2", "age-1.2-go-modules"].map(|wanted| find(&fetched, wanted).unwrap().short.clone());
        assert_eq!(found, ["aaaa1111", "aaaa1111", "bbbb2222"]);
    }
}

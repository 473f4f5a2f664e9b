//! Finds the build that a user names: by id, by name, by name without the version. Pure.

use proto::control::{BuildStatus, Builds};

use crate::error::CommandError;

/// How many names an error suggests.
const NEAREST: usize = 3;

/// How similar a name has to be to be suggested.
const SIMILAR: f64 = 0.5;

/// The build of this id (or its first letters), or the latest of this name, with or without its version.
///
/// # Errors
/// Where there is none: the nearest names.
pub(crate) fn find<'a>(builds: &'a Builds, wanted: &str) -> Result<&'a BuildStatus, CommandError> {
    let by_id: Vec<_> = builds.all().filter(|build| wanted.len() >= 4 && build.short.starts_with(wanted)).collect();
    if let [one] = by_id.as_slice() {
        return Ok(one);
    }
    let latest =
        |is_it: &dyn Fn(&BuildStatus) -> bool| builds.all().filter(|b| is_it(b)).max_by_key(|b| (b.started, b.ended));
    let named =
        latest(&|build| build.name == wanted).or_else(|| latest(&|b| miss_causes::without_version(&b.name) == wanted));
    named.ok_or_else(|| CommandError::NoBuild {
        wanted: wanted.to_owned(),
        nearest: nearest_names(wanted, builds.all().map(|build| build.name.as_str())),
    })
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
    }
}

//! What the setup hook evaluates at the points of a build where it asks (`cacheprog-client env POINT`).

use std::path::PathBuf;

use crate::cgo;
use crate::derivation::{self, Variables};

/// Before the phases in which a package runs go. Each asks again: any of them may be the package's own.
pub(crate) const BEGINNINGS: [&str; 3] = ["postConfigure", "preBuild", "preCheck"];

/// The shell commands for a point, `None` if the build must go without a cache.
pub(crate) fn commands(point: Option<&str>, variables: &Variables) -> Option<String> {
    if point.is_some_and(|point| !BEGINNINGS.contains(&point)) {
        return Some(String::new());
    }
    let marker = if text(variables, "CGO_ENABLED") == "0" { String::new() } else { marker(point, variables)? };
    Some(format!("{marker}export GOCACHEPROG=/gocache-client\n"))
}

/// Keeps cgo's results apart where Go's keys do not. What cannot be read cannot be told apart: no cache then.
fn marker(point: Option<&str>, variables: &Variables) -> Option<String> {
    let top = text(variables, "NIX_BUILD_TOP");
    let tree = if top.is_empty() { PathBuf::from(".") } else { PathBuf::from(top) };
    let key = cgo::key(variables, &tree, &[PathBuf::from(text(variables, "GOCACHE"))]).ok()?;
    // Without -trimpath the flags of cgo are recorded in the program, which has to be the same as without a cache: there
    // all results are kept apart. Tests are built without it as well, and not installed.
    let trims = text(variables, "GOFLAGS").split_whitespace().any(|flag| flag == "-trimpath");
    if trims || point == Some("preCheck") {
        let flags = cgo::flags(&text(variables, "CGO_CPPFLAGS"), &key);
        Some(format!("export CGO_CPPFLAGS={}\n", quoted(&flags)))
    } else {
        Some(format!("export NIX_GOCACHEPROG_NAMESPACE={key}\n"))
    }
}

/// What a variable says; nothing if it is not set.
fn text(variables: &Variables, name: &str) -> String {
    derivation::value(variables, name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

/// For a shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(point: Option<&str>, all: &[(&str, &str)]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().to_str().unwrap();
        let all = all.iter().copied().chain([("NIX_BUILD_TOP", top)]);
        commands(point, &all.map(|(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn each_point_is_told_what_it_needs() {
        let plain = Some("export GOCACHEPROG=/gocache-client\n".to_owned());
        assert_eq!(told(Some("preBuild"), &[("CGO_ENABLED", "0")]), plain);
        assert_eq!(told(None, &[("CGO_ENABLED", "0")]), plain);
        assert_eq!(told(Some("postBuild"), &[]), Some(String::new()));
        let trimmed =
            told(Some("preBuild"), &[("GOFLAGS", "-mod=vendor -trimpath"), ("CGO_CPPFLAGS", "-DA='b c'")]).unwrap();
        assert!(trimmed.starts_with("export CGO_CPPFLAGS='-DA='\\''b c'\\'' -D__nix_gocacheprog_key=0x"), "{trimmed}");
        assert!(
            told(Some("preBuild"), &[("GOFLAGS", "-mod=vendor")])
                .unwrap()
                .starts_with("export NIX_GOCACHEPROG_NAMESPACE=")
        );
        assert!(told(Some("preCheck"), &[]).unwrap().starts_with("export CGO_CPPFLAGS="));
    }

    #[test]
    fn a_tree_that_cannot_be_read_goes_without_a_cache() {
        let all = [("NIX_BUILD_TOP".into(), "/nowhere/at/all".into())].to_vec();
        assert_eq!(commands(Some("preBuild"), &all), None);
    }
}

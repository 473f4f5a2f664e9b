//! What the setup hook evaluates at the points of a build where it asks (`cacheprog-client env POINT`).

use std::path::{Path, PathBuf};

use proto::control::MOUNTED_MODPROXY;

use crate::condition::cgo_inputs;
use crate::condition::build_env::{self, Variables};

/// Before the phases in which a package runs go. Each asks again: any of them may be the package's own.
pub(crate) const BEGINNINGS: [&str; 3] = ["postConfigure", "preBuild", "preCheck"];

/// The list with our proxy in front, as it was set last.
const OUR_LIST: &str = "NIX_GOCACHEPROG_GOPROXY";

/// The shell commands for a point, `None` if the build must go without a cache.
pub(crate) fn commands(point: Option<&str>, variables: &Variables) -> Option<String> {
    commands_with(point, variables, Path::new(MOUNTED_MODPROXY))
}

fn commands_with(point: Option<&str>, variables: &Variables, modproxy: &Path) -> Option<String> {
    if point.is_some_and(|point| !BEGINNINGS.contains(&point)) {
        return Some(String::new());
    }
    let marker = if text(variables, "CGO_ENABLED") == "0" { String::new() } else { marker(point, variables)? };
    let proxy = proxy(variables, modproxy);
    Some(format!("{marker}{proxy}export GOCACHEPROG=/gocache-client\n"))
}

/// In a build that may use the network and fetches modules with it, a proxy goes in front of the list: unless it is there
/// already, or the list names nothing that it could ask. It ends with the shell, and prints nothing where it is of no use.
fn proxy(variables: &Variables, modproxy: &Path) -> String {
    let list = text(variables, "GOPROXY");
    let is_ours = !list.is_empty() && list == text(variables, OUR_LIST);
    let has_upstream = !["off", "direct", "file:"].iter().any(|other| list.starts_with(other));
    if is_ours || !has_upstream || !build_env::is_fixed_output(variables) || !modproxy.is_file() {
        return String::new();
    }
    let modproxy = modproxy.display();
    format!("if {OUR_LIST}=$({modproxy} beside $$); then export {OUR_LIST} GOPROXY=\"${OUR_LIST}\"; fi\n")
}

/// Keeps cgo's results apart where Go's keys do not. What cannot be read cannot be told apart: no cache then.
fn marker(point: Option<&str>, variables: &Variables) -> Option<String> {
    let top = text(variables, "NIX_BUILD_TOP");
    let tree = if top.is_empty() { PathBuf::from(".") } else { PathBuf::from(top) };
    let key = cgo_inputs::key(variables, &tree, &[PathBuf::from(text(variables, "GOCACHE"))]).ok()?;
    // Without -trimpath the flags of cgo are recorded in the program, which has to be the same as without a cache: there
    // all results are kept apart. Tests are built without it as well, and not installed.
    let trims = text(variables, "GOFLAGS").split_whitespace().any(|flag| flag == "-trimpath");
    if trims || point == Some("preCheck") {
        let flags = cgo_inputs::flags(&text(variables, "CGO_CPPFLAGS"), &key);
        Some(format!("export CGO_CPPFLAGS={}\n", quoted(&flags)))
    } else {
        Some(format!("export NIX_GOCACHEPROG_NAMESPACE={key}\n"))
    }
}

/// What a variable says; nothing if it is not set.
fn text(variables: &Variables, name: &str) -> String {
    build_env::value(variables, name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
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
    fn a_proxy_goes_in_front_where_modules_are_fetched_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let modproxy = dir.path().join("modproxy");
        std::fs::write(&modproxy, "").unwrap();
        let begins = |all: &[(&str, &str)], modproxy: &Path| {
            let all = [("CGO_ENABLED", "0")].iter().chain(all);
            let all = all.map(|(name, value)| ((*name).into(), (*value).into())).collect();
            commands_with(Some("preBuild"), &all, modproxy).unwrap().contains(" beside $$); then export ")
        };
        let fixed = ("outputHash", "sha256-x");
        let [ours, theirs] = ["http://127.0.0.1:9/x|https://a.test", "https://a.test,direct"];
        for list in ["", theirs] {
            assert!(begins(&[fixed, ("GOPROXY", list)], &modproxy), "{list}");
        }
        assert!(begins(&[fixed, ("GOPROXY", theirs), (OUR_LIST, ours)], &modproxy), "the package set its own");
        for list in ["off", "direct", "file:///x"] {
            assert!(!begins(&[fixed, ("GOPROXY", list)], &modproxy), "{list}");
        }
        assert!(!begins(&[fixed, ("GOPROXY", ours), (OUR_LIST, ours)], &modproxy));
        assert!(!begins(&[("GOPROXY", theirs)], &modproxy), "a build without network");
        assert!(!begins(&[fixed], &dir.path().join("missing")));
        let attributes = dir.path().join("attrs.json");
        for (text, fixed) in [(r#"{"outputHash":"sha256-x"}"#, true), (r#"{"outputHash":""}"#, false), ("{}", false)] {
            std::fs::write(&attributes, text).unwrap();
            assert_eq!(begins(&[("NIX_ATTRS_JSON_FILE", attributes.to_str().unwrap())], &modproxy), fixed, "{text}");
            std::fs::copy(&attributes, dir.path().join(".attrs.json")).unwrap();
            let outside = [("NIX_ATTRS_JSON_FILE", "/no/file"), ("NIX_BUILD_TOP", dir.path().to_str().unwrap())];
            assert_eq!(begins(&outside, &modproxy), fixed, "{text}");
        }
    }

    #[test]
    fn a_tree_that_cannot_be_read_goes_without_a_cache() {
        let all = [("NIX_BUILD_TOP".into(), "/nowhere/at/all".into())].to_vec();
        assert_eq!(commands(Some("preBuild"), &all), None);
    }
}

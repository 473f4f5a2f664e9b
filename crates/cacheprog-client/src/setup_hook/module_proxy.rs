//! The shell commands that put our module proxy in front of `GOPROXY`, in a build that may use the network.

use std::path::{Path, PathBuf};

use crate::condition::variables::{Variables, text, value};

/// The list with our proxy in front, as it was set last.
const OUR_LIST: &str = "NIX_GOCACHEPROG_GOPROXY";

/// Puts the proxy in front of the list, unless it is there already or the list has nothing that it could ask. The proxy ends
/// with the shell, and prints nothing where it is of no use.
pub(super) fn commands(variables: &Variables, modproxy: &Path) -> String {
    let list = text(variables, "GOPROXY");
    let is_ours = !list.is_empty() && list == text(variables, OUR_LIST);
    let has_upstream = !["off", "direct", "file:"].iter().any(|other| list.starts_with(other));
    if is_ours || !has_upstream || !is_fixed_output(variables) || !modproxy.is_file() {
        return String::new();
    }
    let modproxy = modproxy.display();
    format!("if {OUR_LIST}=$({modproxy} beside $$); then export {OUR_LIST} GOPROXY=\"${OUR_LIST}\"; fi\n")
}

/// Whether the derivation declares the hash of its output: then Nix gives the build a network.
fn is_fixed_output(variables: &Variables) -> bool {
    if let Some(hash) = value(variables, "outputHash") {
        return !hash.is_empty();
    }
    // With __structuredAttrs nothing is exported. Nix 2.8 names a file that is outside of the sandbox.
    let named = value(variables, "NIX_ATTRS_JSON_FILE").map(PathBuf::from);
    let in_top = value(variables, "NIX_BUILD_TOP").map(|top| Path::new(top).join(".attrs.json"));
    let attributes = named.into_iter().chain(in_top).find_map(|path| std::fs::read(path).ok());
    let json: Option<serde_json::Value> = attributes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    json.as_ref().and_then(|json| json.get("outputHash")?.as_str()).is_some_and(|hash| !hash.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_goes_in_front_where_modules_are_fetched_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let modproxy = dir.path().join("modproxy");
        std::fs::write(&modproxy, "").unwrap();
        let begins = |all: &[(&str, &str)], modproxy: &Path| {
            let all = all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            commands(&all, modproxy).contains(" beside $$); then export ")
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
}

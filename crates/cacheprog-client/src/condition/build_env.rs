//! The environment that Nix and stdenv give a build, without what differs from one derivation to the next.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use proto::id::hex;

use crate::test_results::content_hash::part;

/// An environment: what a variable is called, and what it says.
pub(crate) type Variables = Vec<(OsString, OsString)>;

/// Names that outputs of a derivation usually have, for where `$outputs` is not exported (`__structuredAttrs`).
const OUTPUTS: [&str; 10] = ["out", "dev", "lib", "bin", "doc", "man", "info", "static", "debug", "devdoc"];

/// Variables in which builds of one program differ though nothing that a test could ask for does: what is built and how it is
/// called (the source itself is in the keys), the shell's own, and ours.
const OF_THE_BUILD: [&str; 16] = [
    "src",
    "srcs",
    "name",
    "pname",
    "version",
    "outputs",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "GOCACHEPROG",
    "CGO_CPPFLAGS", // in the keys of what it is for
    "NIX_LOG_FD",
    "GOTELEMETRYDIR",
    "BASH_EXECUTION_STRING",
    "COLUMNS",
];

/// All variables that a program of the build may ask for, in one word.
pub(crate) fn word(variables: &Variables) -> String {
    let own = own_outputs(variables);
    let mut counted: Vec<_> = variables.iter().filter(|(name, _)| counts(&name.to_string_lossy())).collect();
    counted.sort();
    let mut hasher = Hasher::new();
    for (name, value) in counted {
        part(&mut hasher, name.to_string_lossy().as_bytes());
        part(&mut hasher, without_own(&value.to_string_lossy(), &own).as_bytes());
    }
    hex(&hasher.finalize().as_bytes()[..16])
}

/// The texts of phases are the build's, and no test's.
fn counts(name: &str) -> bool {
    let is_hook = ["pre", "post"].iter().any(|when| {
        name.strip_prefix(when).is_some_and(|phase| phase.starts_with(|first: char| first.is_ascii_uppercase()))
    });
    let is_ours = name.starts_with("NIX_GOCACHEPROG") || OUTPUTS.contains(&name);
    !OF_THE_BUILD.contains(&name) && !is_ours && !is_hook && !name.ends_with("Phase") && !name.ends_with("Phases")
}

/// Whether the derivation names the hash of its output: then Nix gives the build a network.
pub(crate) fn is_fixed_output(variables: &Variables) -> bool {
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

/// What a variable says, if it is set.
pub(crate) fn value<'a>(variables: &'a Variables, name: &str) -> Option<&'a OsString> {
    variables.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The paths of the derivation's own outputs: they differ from build to build and hold nothing yet.
pub(crate) fn own_outputs(variables: &Variables) -> Vec<String> {
    let named = value(variables, "outputs").map(|names| names.to_string_lossy().into_owned()).unwrap_or_default();
    let names = OUTPUTS.into_iter().chain(named.split_whitespace());
    let paths = names.filter_map(|name| value(variables, name)).filter_map(|path| path.to_str());
    paths.filter(|path| path.starts_with('/') && path.len() > 10).map(str::to_owned).collect()
}

/// A value without the own outputs and without the seed that stdenv makes from them for each derivation
/// (nixpkgs pkgs/build-support/setup-hooks/reproducible-builds.sh).
pub(crate) fn without_own(value: &str, own: &[String]) -> String {
    let value = own.iter().fold(value.to_owned(), |value, path| value.replace(path, "@own@"));
    value.split_whitespace().filter(|flag| !flag.starts_with("-frandom-seed=")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_may_ask_for_counts_and_the_rest_of_a_build_does_not() {
        let with = |more: &[(&str, &str)]| {
            let all =
                [("INTEGRATION", "1"), ("out", "/nix/store/aaaaaaaaaaaa-one"), ("version", "1"), ("preBuild", "x")];
            let all = all.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name)).chain(more);
            word(&all.map(|(name, value)| (name.into(), value.into())).collect())
        };
        let first = with(&[]);
        assert_eq!(with(&[("version", "2"), ("preBuild", "y"), ("checkPhase", "z"), ("_", "go")]), first);
        let other = [("out", "/nix/store/bbbbbbbbbbbb-two"), ("prefix", "/nix/store/bbbbbbbbbbbb-two")];
        assert_eq!(with(&other), with(&[("prefix", "/nix/store/aaaaaaaaaaaa-one")]));
        assert_ne!(with(&[("INTEGRATION", "0")]), first);
        assert_ne!(with(&[("MODE", "")]), first);
    }
}

//! The environment that Nix and stdenv give a build, and its digest without what differs between derivations of one program.

use std::ffi::OsString;

use blake3::Hasher;
use proto::id::hex;

use crate::digest::add_part;

/// An environment: names and values.
pub(crate) type Variables = Vec<(OsString, OsString)>;

/// Usual names of a derivation's outputs, for builds in which `$outputs` is not exported (`__structuredAttrs`).
const OUTPUTS: [&str; 10] = ["out", "dev", "lib", "bin", "doc", "man", "info", "static", "debug", "devdoc"];

/// Variables that are not in the digest, since they differ between builds of one program without an effect on tests: what is
/// built and its name (the source itself is in Go's keys), the shell's own, and ours.
const IGNORED: [&str; 16] = [
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
    "CGO_CPPFLAGS", // in Go's keys of cgo packages
    "NIX_LOG_FD",
    "GOTELEMETRYDIR",
    "BASH_EXECUTION_STRING",
    "COLUMNS",
];

/// The digest of all variables that a program of the build may read.
pub(crate) fn digest(variables: &Variables) -> String {
    let outputs = own_outputs(variables);
    let mut included: Vec<_> = variables.iter().filter(|(name, _)| is_in_digest(&name.to_string_lossy())).collect();
    included.sort();
    let mut hasher = Hasher::new();
    for (name, value) in included {
        add_part(&mut hasher, name.to_string_lossy().as_bytes());
        add_part(&mut hasher, without_outputs(&value.to_string_lossy(), &outputs).as_bytes());
    }
    hex(&hasher.finalize().as_bytes()[..16])
}

/// The texts of phases belong to the build, and no test reads them.
fn is_in_digest(name: &str) -> bool {
    let is_hook = ["pre", "post"].iter().any(|when| {
        name.strip_prefix(when).is_some_and(|phase| phase.starts_with(|first: char| first.is_ascii_uppercase()))
    });
    let is_ours = name.starts_with("NIX_GOCACHEPROG") || OUTPUTS.contains(&name);
    !IGNORED.contains(&name) && !is_ours && !is_hook && !name.ends_with("Phase") && !name.ends_with("Phases")
}

/// The value of a variable, if it is set.
pub(crate) fn value<'a>(variables: &'a Variables, name: &str) -> Option<&'a OsString> {
    variables.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The value as text; empty if the variable is not set.
pub(crate) fn text(variables: &Variables, name: &str) -> String {
    value(variables, name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The paths of the derivation's own outputs: they differ from build to build and are empty yet.
pub(crate) fn own_outputs(variables: &Variables) -> Vec<String> {
    let declared = value(variables, "outputs").map(|names| names.to_string_lossy().into_owned()).unwrap_or_default();
    let names = OUTPUTS.into_iter().chain(declared.split_whitespace());
    let paths = names.filter_map(|name| value(variables, name)).filter_map(|path| path.to_str());
    paths.filter(|path| path.starts_with('/') && path.len() > 10).map(str::to_owned).collect()
}

/// A value without the paths of own outputs, and without the random seed that stdenv derives from them
/// (nixpkgs pkgs/build-support/setup-hooks/reproducible-builds.sh).
pub(crate) fn without_outputs(value: &str, outputs: &[String]) -> String {
    let value = outputs.iter().fold(value.to_owned(), |value, path| value.replace(path, "@own@"));
    value.split_whitespace().filter(|flag| !flag.starts_with("-frandom-seed=")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_a_test_may_read_are_in_the_digest_and_those_of_the_build_are_not() {
        let with = |more: &[(&str, &str)]| {
            let all =
                [("INTEGRATION", "1"), ("out", "/nix/store/aaaaaaaaaaaa-one"), ("version", "1"), ("preBuild", "x")];
            let all = all.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name)).chain(more);
            digest(&all.map(|(name, value)| (name.into(), value.into())).collect())
        };
        let first = with(&[]);
        assert_eq!(with(&[("version", "2"), ("preBuild", "y"), ("checkPhase", "z"), ("_", "go")]), first);
        let other = [("out", "/nix/store/bbbbbbbbbbbb-two"), ("prefix", "/nix/store/bbbbbbbbbbbb-two")];
        assert_eq!(with(&other), with(&[("prefix", "/nix/store/aaaaaaaaaaaa-one")]));
        assert_ne!(with(&[("INTEGRATION", "0")]), first);
        assert_ne!(with(&[("MODE", "")]), first);
    }
}

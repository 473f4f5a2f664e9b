//! Whether a build wants the cache.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::HookError;
use crate::drv::{self, Derivation};
use crate::settings::Unreadable;

/// The setup hook's derivation is named so (overlay/default.nix): frozen, as are the marks it leaves.
const HOOK: &str = "-nix-gocacheprog-hook";

/// The attribute by which a derivation says yes (`1`) or no (`0`) itself.
const SWITCH: &str = "NIX_GOCACHEPROG";

/// Bytes of a derivation that are read. Those of Go packages have some 5,000; only whole systems exceed a million.
const MOST: u64 = 4 << 20;

/// Decides for a derivation as Nix names it to the hook.
pub(crate) fn wants_cache(path: &Path, chroot: Option<&Path>, unreadable: Unreadable) -> Result<bool, HookError> {
    let Ok(bytes) = read(path).or_else(|e| beside(chroot).map_or(Err(e), |real| read(&real))) else {
        return Ok(unreadable == Unreadable::Offer);
    };
    // Whatever says that a build wants the cache holds one of these words, in every encoding that Nix has. A build that
    // says nothing, which is nearly every one, costs no more than this look.
    if memmem::find(&bytes, HOOK.as_bytes()).is_none() && memmem::find(&bytes, SWITCH.as_bytes()).is_none() {
        return Ok(false);
    }
    let derivation = drv::parse(&bytes).ok_or_else(|| HookError::NotADerivation(path.to_owned()))?;
    Ok(opts_in(&derivation))
}

/// A direct input is our setup hook, or the derivation says so; a no of its own always holds.
fn opts_in(derivation: &Derivation) -> bool {
    match switch(derivation).as_deref() {
        Some("0") => false,
        Some("1") => true,
        Some(_) | None => {
            derivation.input_derivations.iter().any(|path| path.strip_suffix(".drv").is_some_and(|p| p.ends_with(HOOK)))
                // A resolved content-addressed derivation has the outputs of its inputs as sources (FACTS-nix.md 1.8).
                || derivation.input_sources.iter().any(|path| path.ends_with(HOOK))
        }
    }
}

fn switch(derivation: &Derivation) -> Option<String> {
    let value = |key: &str| derivation.environment.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    if let Some(plain) = value(SWITCH) {
        return Some(plain.to_owned());
    }
    // With __structuredAttrs all attributes are in one JSON object, the environment in its "env" since nixpkgs has one.
    let json: serde_json::Value = serde_json::from_str(value("__json")?).ok()?;
    match json.get(SWITCH).or_else(|| json.get("env")?.get(SWITCH))? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Bool(yes) => Some(if *yes { "1" } else { "0" }.to_owned()),
        other => Some(other.to_string()),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// With a diverted store (`--store /tmp/x`) the derivation is not where it is named, but beside its chroot:
/// `….drv.chroot[/root]` (FACTS-nix.md 1.2).
fn beside(chroot: Option<&Path>) -> Option<PathBuf> {
    let chroot = chroot?.to_str()?;
    let chroot = chroot.strip_suffix("/root").unwrap_or(chroot);
    chroot.strip_suffix(".chroot").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derivation(inputs: &[&str], sources: &[&str], environment: &[(&str, &str)]) -> String {
        let inputs: Vec<_> = inputs.iter().map(|path| format!(r#"("{path}",["out"])"#)).collect();
        let sources: Vec<_> = sources.iter().map(|path| format!(r#""{path}""#)).collect();
        let environment: Vec<_> =
            environment.iter().map(|(k, v)| format!(r#"("{k}","{}")"#, v.replace('"', "\\\""))).collect();
        let (inputs, sources, environment) = (inputs.join(","), sources.join(","), environment.join(","));
        format!(r#"Derive([("out","/o","","")],[{inputs}],[{sources}],"x86_64-linux","/bin/sh",[],[{environment}])"#)
    }

    fn decided(text: &[u8]) -> Result<bool, HookError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.drv");
        std::fs::write(&path, text).unwrap();
        wants_cache(&path, None, Unreadable::Offer)
    }

    const INPUT: &str = "/nix/store/0-nix-gocacheprog-hook.drv";
    const OUTPUT: &str = "/nix/store/0-nix-gocacheprog-hook";

    #[test]
    fn a_build_opts_in_by_its_inputs_or_its_own_word() {
        for (text, expected) in [
            (derivation(&["/a.drv", INPUT], &[], &[]), true),
            (derivation(&[], &[OUTPUT], &[]), true),
            (derivation(&[], &[], &[("NIX_GOCACHEPROG", "1")]), true),
            (derivation(&[], &[], &[("__json", r#"{"NIX_GOCACHEPROG":"1"}"#)]), true),
            (derivation(&[], &[], &[("__json", r#"{"env":{"NIX_GOCACHEPROG":true}}"#)]), true),
            (derivation(&[INPUT], &[], &[("__json", r#"{"nativeBuildInputs":[]}"#)]), true),
            (derivation(&["/a.drv"], &["/b"], &[("x", "y")]), false),
            (derivation(&[INPUT], &[], &[("NIX_GOCACHEPROG", "0")]), false),
            (derivation(&[INPUT], &[], &[("__json", r#"{"NIX_GOCACHEPROG":0}"#)]), false),
            (derivation(&["/x-nix-gocacheprog-hook-source.drv"], &["/x-nix-gocacheprog-hook.sh"], &[]), false),
            (derivation(&[], &[], &[("name", "nix-gocacheprog-hook"), ("out", OUTPUT)]), false),
            (derivation(&[], &[], &[("NIX_GOCACHEPROG", "")]), false),
            (derivation(&[], &[], &[("NIX_GOCACHEPROG_VERBOSE", "1")]), false),
        ] {
            assert_eq!(decided(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_derivation_is_left_alone() {
        let cut = &derivation(&[INPUT], &[], &[])[..90];
        assert!(matches!(decided(cut.as_bytes()), Err(HookError::NotADerivation(_))));
        assert!(!decided(b"").unwrap());
        assert!(!decided(&vec![b'x'; 50 << 20]).unwrap());
        assert!(decided(&[b"-nix-gocacheprog-hook ".as_slice(), &vec![0; 50 << 20]].concat()).is_err());
    }

    #[test]
    fn a_missing_derivation_is_looked_for_beside_the_chroot_then_the_policy_decides() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("y.drv");
        std::fs::write(&real, derivation(&["/a.drv"], &[], &[])).unwrap();
        for suffix in ["chroot", "chroot/root"] {
            let chroot = dir.path().join(format!("y.drv.{suffix}"));
            assert!(!wants_cache(Path::new("/missing/y.drv"), Some(&chroot), Unreadable::Offer).unwrap());
        }
        assert!(wants_cache(Path::new("/missing/y.drv"), None, Unreadable::Offer).unwrap());
        assert!(!wants_cache(Path::new("/missing/y.drv"), None, Unreadable::Skip).unwrap());
    }
}

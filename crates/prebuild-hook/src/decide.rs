//! Decides whether a build is offered the cache, and how: from its derivation and the settings.

use std::path::Path;

use memchr::memmem;

use crate::derivation_file;
use crate::drv::{self, Derivation};
use crate::error::HookError;
use crate::settings::{Settings, Unreadable};
use crate::store_path::{derivation_name, is_toolchain, store_name};

/// How the path of the setup hook's derivation ends (overlay/default.nix). It never changes.
const SETUP_HOOK_SUFFIX: &str = "-nix-gocacheprog-hook";

/// The attribute with which a derivation opts in (`1`) or out (`0`).
const OPT_ATTRIBUTE: &str = "NIX_GOCACHEPROG";

/// What a build is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    Nothing,
    /// The cache, for the setup hook or the phases of the build.
    Cache,
    /// The cache, and a `go/env` with which every go command uses it.
    Transparent,
}

/// Decides for a derivation, by the path that Nix gives to the hook.
pub(crate) fn decide(path: &Path, chroot: Option<&Path>, settings: &Settings) -> Result<Decision, HookError> {
    // The build of a toolchain does not use the cache; it sets GOENV=off itself (cmd/dist, Go 1.21-1.27).
    let name = derivation_name(path);
    let transparent = settings.transparent.as_ref().is_some_and(|of| !is_toolchain(name) && of.admits(name));
    let Ok(bytes) = derivation_file::read(path, chroot) else {
        return Ok(match settings.unreadable {
            Unreadable::Skip => Decision::Nothing,
            Unreadable::Transparent if transparent => Decision::Transparent,
            Unreadable::Offer | Unreadable::Transparent => Decision::Cache,
        });
    };
    decide_by(path, &bytes, transparent)
}

/// Decides by the content of the derivation at `path`.
pub(crate) fn decide_by(path: &Path, bytes: &[u8], transparent: bool) -> Result<Decision, HookError> {
    // A derivation that asks for the cache contains one of these texts, in every encoding of Nix. Nearly every derivation has
    // none of them and is not parsed.
    let contains = |word: &str| memmem::find(bytes, word.as_bytes()).is_some();
    if !(contains(SETUP_HOOK_SUFFIX) || contains(OPT_ATTRIBUTE) || transparent && contains("-go-")) {
        return Ok(Decision::Nothing);
    }
    let derivation = drv::parse(bytes).ok_or_else(|| HookError::NotADerivation(path.to_owned()))?;
    Ok(match opt_attribute(&derivation).as_deref() {
        Some("0") => Decision::Nothing,
        Some("1") => Decision::Cache,
        Some(_) | None if has_setup_hook(&derivation) => Decision::Cache,
        Some(_) | None if transparent && has_toolchain(&derivation) => Decision::Transparent,
        Some(_) | None => Decision::Nothing,
    })
}

/// Whether the setup hook is among the direct inputs.
pub(crate) fn has_setup_hook(derivation: &Derivation) -> bool {
    has_input(derivation, |input| input.ends_with(SETUP_HOOK_SUFFIX))
}

/// Whether a Go toolchain is, by its name.
pub(crate) fn has_toolchain(derivation: &Derivation) -> bool {
    has_input(derivation, |input| is_toolchain(store_name(input)))
}

/// Whether a direct input has a property.
fn has_input(derivation: &Derivation, is: impl Fn(&str) -> bool) -> bool {
    derivation.input_derivations.iter().filter_map(|path| path.strip_suffix(".drv")).any(&is)
        // A resolved content-addressed derivation has the outputs of its inputs as sources (docs/facts/nix.md, "Builds without a derivation").
        || derivation.input_sources.iter().any(|path| is(path))
}

/// The value of the attribute that opts in or out.
pub(crate) fn opt_attribute(derivation: &Derivation) -> Option<String> {
    let value = |key: &str| derivation.environment.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    if let Some(plain) = value(OPT_ATTRIBUTE) {
        return Some(plain.to_owned());
    }
    // With __structuredAttrs all attributes are in one JSON object; newer nixpkgs has the environment in its "env".
    let json: serde_json::Value = serde_json::from_str(value("__json")?).ok()?;
    match json.get(OPT_ATTRIBUTE).or_else(|| json.get("env")?.get(OPT_ATTRIBUTE))? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Bool(yes) => Some(if *yes { "1" } else { "0" }.to_owned()),
        other => Some(other.to_string()),
    }
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

    fn settings(text: &str) -> Settings {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read_file(&path).unwrap()
    }

    fn decided_by(text: &[u8], settings: &Settings) -> Result<Decision, HookError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0-x-1.drv");
        std::fs::write(&path, text).unwrap();
        decide(&path, None, settings)
    }

    fn decided(text: &[u8]) -> Result<bool, HookError> {
        Ok(decided_by(text, &settings(""))? == Decision::Cache)
    }

    const INPUT: &str = "/nix/store/0-nix-gocacheprog-hook.drv";
    const OUTPUT: &str = "/nix/store/0-nix-gocacheprog-hook";

    #[test]
    fn a_build_opts_in_by_its_inputs_or_by_an_attribute() {
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
    fn other_files_than_derivations_are_offered_nothing() {
        let cut = &derivation(&[INPUT], &[], &[])[..90];
        assert!(matches!(decided(cut.as_bytes()), Err(HookError::NotADerivation(_))));
        assert!(!decided(b"").unwrap());
        assert!(!decided(&vec![b'x'; 50 << 20]).unwrap());
        assert!(decided(&[b"-nix-gocacheprog-hook ".as_slice(), &vec![0; 50 << 20]].concat()).is_err());
    }

    const TRANSPARENT: &str = "mode = 'transparent'\ngo-env = '/e'\n";

    #[test]
    fn a_build_with_a_toolchain_is_transparent_unless_it_opts_in_or_out() {
        let go = "/nix/store/0-go-1.26.8.drv";
        for (text, expected) in [
            (derivation(&[go], &[], &[]), Decision::Transparent),
            (derivation(&[], &["/nix/store/0-go-1.26.8"], &[]), Decision::Transparent),
            (derivation(&[go], &[], &[("__json", "{}")]), Decision::Transparent),
            (derivation(&[go, INPUT], &[], &[]), Decision::Cache),
            (derivation(&[go], &[], &[("NIX_GOCACHEPROG", "1")]), Decision::Cache),
            (derivation(&[go], &[], &[("NIX_GOCACHEPROG", "0")]), Decision::Nothing),
            (derivation(&["/nix/store/0-go-tools-1.drv"], &[], &[]), Decision::Nothing),
            (derivation(&["/nix/store/0-cargo-go-1.drv"], &[], &[("x", "-go-1.26.8")]), Decision::Nothing),
            (derivation(&["/nix/store/0-hugo-1.drv"], &[], &[]), Decision::Nothing),
            (derivation(&["/a.drv"], &[], &[("go", "/nix/store/0-go-1.26.8")]), Decision::Nothing),
        ] {
            assert_eq!(decided_by(text.as_bytes(), &settings(TRANSPARENT)).unwrap(), expected, "{text}");
            let without = if expected == Decision::Transparent { Decision::Nothing } else { expected };
            assert_eq!(decided_by(text.as_bytes(), &settings("")).unwrap(), without, "{text}");
            let denied = settings(&(TRANSPARENT.to_owned() + "deny = ['x-*']"));
            assert_eq!(decided_by(text.as_bytes(), &denied).unwrap(), without, "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0-go-1.27.0.drv");
        std::fs::write(&path, derivation(&[go], &[], &[])).unwrap();
        assert_eq!(decide(&path, None, &settings(TRANSPARENT)).unwrap(), Decision::Nothing, "the build of a toolchain");
    }

    #[test]
    fn a_missing_derivation_is_searched_beside_the_chroot_then_the_setting_decides() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("y.drv");
        std::fs::write(&real, derivation(&["/a.drv"], &[], &[])).unwrap();
        let missing = |chroot: Option<&Path>, text: &str| {
            decide(Path::new("/nix/store/0-missing-1.drv"), chroot, &settings(text)).unwrap()
        };
        for suffix in ["chroot", "chroot/root"] {
            let chroot = dir.path().join(format!("y.drv.{suffix}"));
            assert_eq!(missing(Some(&chroot), ""), Decision::Nothing);
        }
        let everything = TRANSPARENT.to_owned() + "unreadable = 'transparent'\n";
        assert_eq!(missing(None, ""), Decision::Cache);
        assert_eq!(missing(None, TRANSPARENT), Decision::Cache);
        assert_eq!(missing(None, "unreadable = 'skip'"), Decision::Nothing);
        assert_eq!(missing(None, &everything), Decision::Transparent);
        assert_eq!(missing(None, &(everything + "allow = ['other']")), Decision::Cache);
    }
}

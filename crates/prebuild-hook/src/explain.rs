//! Tells whether a build is offered the cache, and why: for a person who asks about a derivation. decide.rs decides, and this finds the
//! rule that did.

use std::path::Path;

use crate::decide::{Decision, decide_by, has_setup_hook, has_toolchain, opt_attribute};
use crate::derivation_file;
use crate::drv::{self, Derivation};
use crate::error::HookError;
use crate::settings::Settings;
use crate::store_path::{derivation_name, is_toolchain};

/// The answer in one line.
pub(crate) fn explain(path: &Path, settings: &Settings) -> Result<String, HookError> {
    let name = derivation_name(path);
    let bytes = derivation_file::read(path, None).map_err(|_| HookError::NotADerivation(path.to_owned()))?;
    let derivation = drv::parse(&bytes).ok_or_else(|| HookError::NotADerivation(path.to_owned()))?;
    let admitted = settings.transparent.as_ref().map(|of| of.admits(name));
    let transparent = admitted == Some(true) && !is_toolchain(name);
    let offer = match decide_by(path, &bytes, transparent)? {
        Decision::Nothing => "no cache",
        Decision::Cache => "the cache",
        Decision::Transparent => "the cache, without a setup hook",
    };
    Ok(format!("{name}: {offer}: {}", reason(&derivation, name, admitted)))
}

/// The rule that decides. `admitted`: whether `allow` and `deny` admit the name; `None` in mode `opt-in`.
fn reason(derivation: &Derivation, name: &str, admitted: Option<bool>) -> &'static str {
    match opt_attribute(derivation).as_deref() {
        Some("0") => return "the derivation has NIX_GOCACHEPROG = \"0\"",
        Some("1") => return "the derivation has NIX_GOCACHEPROG = \"1\"",
        Some(_) | None => {}
    }
    if has_setup_hook(derivation) {
        return "nixGocacheprogHook is among its inputs";
    }
    match admitted {
        None if has_toolchain(derivation) => {
            "it has a Go toolchain and no nixGocacheprogHook, and the hook's settings have mode = \"opt-in\""
        }
        None => "it has neither nixGocacheprogHook nor NIX_GOCACHEPROG = \"1\"",
        Some(_) if is_toolchain(name) => "it is itself a Go toolchain",
        Some(false) => "`allow` and `deny` in the hook's settings leave its name out",
        Some(true) if has_toolchain(derivation) => "a Go toolchain is among its direct inputs",
        Some(true) => {
            "none of its direct inputs is named as a Go toolchain is (`go-` and a digit), and it does not ask for the cache"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(name: &str, input: &str, environment: &str, settings: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let (path, file) = (dir.path().join(format!("0-{name}.drv")), dir.path().join("hook.toml"));
        let text = format!(
            r#"Derive([("out","/o","","")],[("/nix/store/0-{input}.drv",["out"])],[],"x86_64-linux","/bin/sh",[],[{environment}])"#
        );
        std::fs::write(&path, text).unwrap();
        std::fs::write(&file, settings).unwrap();
        explain(&path, &Settings::read_file(&file).unwrap()).unwrap()
    }

    #[test]
    fn the_rule_that_decides_is_named() {
        let (opt_in, all) = ("", "mode = 'transparent'\ngo-env = '/e'\n");
        let denied = "mode = 'transparent'\ngo-env = '/e'\ndeny = ['x-*']\n";
        for (name, input, environment, settings, text) in [
            ("x-1", "go-1.26.8", "", opt_in, "x-1: no cache: it has a Go toolchain and no nixGocacheprogHook"),
            ("x-1", "a", "", opt_in, "x-1: no cache: it has neither"),
            ("x-1", "nix-gocacheprog-hook", "", opt_in, "x-1: the cache: nixGocacheprogHook is among"),
            ("x-1", "go-1.26.8", "", all, "x-1: the cache, without a setup hook: a Go toolchain is among"),
            ("x-1", "my-go-1.26.8", "", all, "x-1: no cache: none of its direct inputs is named"),
            ("x-1", "my-go-1.26.8", r#"("NIX_GOCACHEPROG","1")"#, all, "x-1: the cache: the derivation has"),
            ("x-1", "go-1.26.8", r#"("NIX_GOCACHEPROG","0")"#, all, "x-1: no cache: the derivation has"),
            ("x-1", "go-1.26.8", "", denied, "x-1: no cache: `allow` and `deny`"),
            ("go-1.27.0", "go-1.26.8", "", all, "go-1.27.0: no cache: it is itself"),
        ] {
            let found = explained(name, input, environment, settings);
            assert!(found.starts_with(text), "{found}");
        }
    }
}

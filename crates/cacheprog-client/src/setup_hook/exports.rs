//! The shell commands at the phases of a build (`cacheprog-client env PHASE`): they set `GOCACHEPROG`, and keep cgo's results
//! apart where Go's keys do not.

use std::path::{Path, PathBuf};

use proto::control::MOUNTED_MODPROXY;

use crate::condition::build_env::{Variables, text};
use crate::condition::cgo_inputs;

use super::module_proxy;
use super::shell::quoted;

/// The hook asks before the phases in which a package runs go, and asks each time: a package may replace any of them.
pub(crate) const BEFORE_GO: [&str; 3] = ["postConfigure", "preBuild", "preCheck"];

/// The shell commands for a phase, `None` if the build must work without a cache.
pub(crate) fn commands(phase: Option<&str>, variables: &Variables) -> Option<String> {
    commands_with(phase, variables, Path::new(MOUNTED_MODPROXY))
}

fn commands_with(phase: Option<&str>, variables: &Variables, modproxy: &Path) -> Option<String> {
    if phase.is_some_and(|phase| !BEFORE_GO.contains(&phase)) {
        return Some(String::new());
    }
    let cgo = if text(variables, "CGO_ENABLED") == "0" { String::new() } else { cgo_commands(phase, variables)? };
    let proxy = module_proxy::commands(variables, modproxy);
    Some(format!("{cgo}{proxy}export GOCACHEPROG=/gocache-client\n"))
}

/// Keeps cgo's results apart where Go's keys do not. Without all inputs they cannot be told apart: `None`.
fn cgo_commands(phase: Option<&str>, variables: &Variables) -> Option<String> {
    let top = text(variables, "NIX_BUILD_TOP");
    let tree = if top.is_empty() { PathBuf::from(".") } else { PathBuf::from(top) };
    let digest = cgo_inputs::digest(variables, &tree, &[PathBuf::from(text(variables, "GOCACHE"))]).ok()?;
    // Without -trimpath the flags of cgo are recorded in the program, which has to be the same as without a cache: then all
    // results are kept apart. Tests are built without it as well, but not installed.
    let trims = text(variables, "GOFLAGS").split_whitespace().any(|flag| flag == "-trimpath");
    if trims || phase == Some("preCheck") {
        let flags = cgo_inputs::flags(&text(variables, "CGO_CPPFLAGS"), &digest);
        Some(format!("export CGO_CPPFLAGS={}\n", quoted(&flags)))
    } else {
        Some(format!("export NIX_GOCACHEPROG_NAMESPACE={digest}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands_for(phase: Option<&str>, all: &[(&str, &str)]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().to_str().unwrap();
        let all = all.iter().copied().chain([("NIX_BUILD_TOP", top)]);
        commands(phase, &all.map(|(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn each_phase_gets_the_variables_that_it_needs() {
        let plain = Some("export GOCACHEPROG=/gocache-client\n".to_owned());
        assert_eq!(commands_for(Some("preBuild"), &[("CGO_ENABLED", "0")]), plain);
        assert_eq!(commands_for(None, &[("CGO_ENABLED", "0")]), plain);
        assert_eq!(commands_for(Some("postBuild"), &[]), Some(String::new()));
        let trimmed =
            commands_for(Some("preBuild"), &[("GOFLAGS", "-mod=vendor -trimpath"), ("CGO_CPPFLAGS", "-DA='b c'")])
                .unwrap();
        assert!(trimmed.starts_with("export CGO_CPPFLAGS='-DA='\\''b c'\\'' -D__nix_gocacheprog_key=0x"), "{trimmed}");
        assert!(
            commands_for(Some("preBuild"), &[("GOFLAGS", "-mod=vendor")])
                .unwrap()
                .starts_with("export NIX_GOCACHEPROG_NAMESPACE=")
        );
        assert!(commands_for(Some("preCheck"), &[]).unwrap().starts_with("export CGO_CPPFLAGS="));
    }

    #[test]
    fn a_build_with_a_network_gets_the_module_proxy_and_the_cache() {
        let modproxy = tempfile::NamedTempFile::new().unwrap();
        let all = [("CGO_ENABLED", "0"), ("outputHash", "sha256-x")];
        let all = all.map(|(name, value)| (name.into(), value.into())).to_vec();
        let commands = commands_with(Some("preBuild"), &all, modproxy.path()).unwrap();
        assert!(commands.contains(" beside $$); then export "), "{commands}");
        assert!(commands.ends_with("export GOCACHEPROG=/gocache-client\n"), "{commands}");
    }

    #[test]
    fn a_build_whose_tree_cannot_be_read_gets_no_cache() {
        let all = [("NIX_BUILD_TOP".into(), "/nowhere/at/all".into())].to_vec();
        assert_eq!(commands(Some("preBuild"), &all), None);
    }
}

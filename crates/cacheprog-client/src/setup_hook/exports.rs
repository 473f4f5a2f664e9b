//! The shell commands at the phases of a build (`cacheprog-client env PHASE`): they set `GOCACHEPROG`, and start
//! the module proxy. Nothing else is exported to the build.

use std::path::Path;

use proto::control::MOUNTED_MODPROXY;

use crate::condition::variables::Variables;

use super::module_proxy;

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
    let proxy = module_proxy::commands(variables, modproxy);
    Some(format!("{proxy}export GOCACHEPROG=/gocache-client\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_gets_the_cache_and_nothing_else() {
        let commands_for = |phase, all: &[(&str, &str)]| {
            commands(phase, &all.iter().map(|(name, value)| (name.into(), value.into())).collect())
        };
        let plain = Some("export GOCACHEPROG=/gocache-client\n".to_owned());
        for all in [&[("CGO_ENABLED", "0")][..], &[], &[("GOFLAGS", "-mod=vendor"), ("CGO_CPPFLAGS", "-DA")]] {
            for phase in [None, Some("postConfigure"), Some("preBuild"), Some("preCheck")] {
                assert_eq!(commands_for(phase, all), plain, "{phase:?} {all:?}");
            }
            assert_eq!(commands_for(Some("postBuild"), all), Some(String::new()));
        }
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
}

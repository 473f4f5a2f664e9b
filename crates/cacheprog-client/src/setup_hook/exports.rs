//! The shell commands at the phases of a build (`cacheprog-client env PHASE`): they set `GOCACHEPROG`, and start
//! the module proxy. Nothing else is exported to the build. After configurePhase they make GOCACHE's directories.

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
    let directories = if phase == Some("postConfigure") { make_directories(variables) } else { "" };
    Some(format!("{proxy}export GOCACHEPROG=/gocache-client\n{directories}"))
}

/// Makes the 256 directories that cmd/go makes in an empty GOCACHE before it does anything else (cmd/go/internal/cache/cache.go `Open`, Go
/// 1.21-1.27: 17 ms on ext4, and more where a tree was just deleted). It is done beside the build, and the result is renamed into place:
/// a GOCACHE that has been begun meanwhile stays.
fn make_directories(variables: &Variables) -> &'static str {
    let has = |name: &str| variables.iter().any(|(known, value)| known == name && !value.is_empty());
    if !has("GOCACHE") || has("outputHash") {
        return "";
    }
    "(d=$GOCACHE.new; ! [ -e \"$GOCACHE/00\" ] && mkdir -p \"${d%/*}\" && \
mkdir \"$d\" \"$d\"/{{0..9},{a..f}}{{0..9},{a..f}} && mv -T \"$d\" \"$GOCACHE\" || rm -rf \"$d\") > /dev/null 2>&1 &\n"
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
    fn after_configure_the_directories_of_gocache_are_made_unless_it_has_been_begun() {
        let dir = tempfile::tempdir().unwrap();
        for (name, is_begun, expected) in [("new", false, 256), ("begun", true, 1)] {
            let gocache = dir.path().join(name);
            if is_begun {
                std::fs::create_dir_all(gocache.join("00")).unwrap();
            }
            let all = [("GOCACHE".into(), gocache.clone().into())].to_vec();
            let commands = commands(Some("postConfigure"), &all).unwrap() + "wait";
            let shell = std::process::Command::new("bash").args(["-euc", &commands]).env("GOCACHE", &gocache).status();
            assert!(shell.unwrap().success());
            assert_eq!(std::fs::read_dir(&gocache).unwrap().count(), expected);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside");
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

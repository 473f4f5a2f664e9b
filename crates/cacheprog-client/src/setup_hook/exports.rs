//! The shell commands at the phases of a build (`cacheprog-client env PHASE`): they set `GOCACHEPROG`, and start
//! the module proxy. Nothing else is exported to the build. Before buildGoModule's buildPhase they make GOCACHE's directories.

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
    let directories = if phase == Some("preBuild") { make_directories(variables) } else { "" };
    Some(format!("{proxy}export GOCACHEPROG=/gocache-client\n{directories}"))
}

/// Makes the 256 directories that cmd/go makes in an empty GOCACHE before it does anything else (cmd/go/internal/cache/cache.go `Open`, Go
/// 1.21-1.27: 17 ms on ext4, and more where a tree was just deleted). It is done beside the build, and the result is renamed into place:
/// a GOCACHE that has been begun meanwhile stays. Only where the buildPhase is nixpkgs' own, by the name of a function in it: what another
/// one does with GOCACHE first is not known. The package's own preBuild has run before.
fn make_directories(variables: &Variables) -> &'static str {
    let value =
        |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_encoded_bytes());
    let is_of_nixpkgs = value("buildPhase").is_some_and(|phase| memchr::memmem::find(phase, b"buildGoDir").is_some());
    if !is_of_nixpkgs || value("GOCACHE").is_none_or(<[u8]>::is_empty) {
        return "";
    }
    // A job of a shell of its own: the build's shell does not know it.
    "((d=$GOCACHE.new; ! [ -e \"$GOCACHE/00\" ] && mkdir -p \"${d%/*}\" && mkdir \"$d\" && \
{ mkdir \"$d\"/{{0..9},{a..f}}{{0..9},{a..f}} && mv -T \"$d\" \"$GOCACHE\" || rm -rf \"$d\"; }) > /dev/null 2>&1 &)\n"
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
    fn before_the_build_the_directories_of_gocache_are_made_unless_it_has_been_begun() {
        let dir = tempfile::tempdir().unwrap();
        for (name, is_begun, expected) in [("new", false, 256), ("begun", true, 1)] {
            let gocache = dir.path().join(name);
            if is_begun {
                std::fs::create_dir_all(gocache.join("00")).unwrap();
            }
            let all =
                [("GOCACHE".into(), gocache.clone().into()), ("buildPhase".into(), "buildGoDir x".into())].to_vec();
            // With its output open, the end of that is the end of the job.
            let commands = commands(Some("preBuild"), &all).unwrap().replace("> /dev/null 2>&1", "");
            let shell = std::process::Command::new("bash").args(["-euc", &commands]).env("GOCACHE", &gocache).output();
            assert!(shell.unwrap().status.success());
            assert_eq!(std::fs::read_dir(&gocache).unwrap().count(), expected);
            let other = [("GOCACHE".into(), gocache.into()), ("buildPhase".into(), "go build".into())].to_vec();
            assert_eq!(super::commands(Some("preBuild"), &other).unwrap(), "export GOCACHEPROG=/gocache-client\n");
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

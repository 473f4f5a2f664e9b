//! The go command as conditions and rules of sharing need it, taken from the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::Scope;
use proto::condition::scopes;

use crate::condition::variables::{is_build, value};
use crate::condition::{Conditions, MAX_TIME, Setting};
use crate::environment::{Environment, variables};
use crate::sharing::class::Bodies;
use crate::sharing::classifier::Rules;

/// The first release of Go whose vet puts what it printed beside its facts (cmd/go/internal/work/exec.go `vet`).
const VET_PUTS_OUTPUT: u32 = 26;

/// What conditions depend on.
pub(crate) fn setting(environment: &Environment) -> Setting {
    let variables = environment.variables_of_go.clone();
    let text = |name| value(&variables, name).filter(|value| !value.is_empty()).cloned();
    let path = |name| text(name).map(PathBuf::from);
    Setting {
        cwd: std::env::current_dir().unwrap_or_default(),
        gocache: environment.gocache.clone(),
        gomodcache: path("GOMODCACHE"),
        gotmpdir: path("GOTMPDIR"),
        gopath: text("GOPATH"),
        goflags: text("GOFLAGS").unwrap_or_default(),
        gowork: text("GOWORK"),
        goroot: PathBuf::from(&environment.toolchain.goroot),
        arguments: environment.invocation.arguments().map(<[OsString]>::to_vec),
        is_clean: environment.is_clean,
        memo: environment.memo(),
        look_time: MAX_TIME,
        started: environment.started,
        variables,
    }
}

/// What a condition of this scope is made of, in lines as `proto::parts` writes them, for `go build`.
///
/// # Errors
/// Why there is none.
pub(crate) fn describe(scope: &str, environment: &Environment) -> Result<String, &'static str> {
    let scope = Scope::new(scope).map_err(|_| "this is no scope")?;
    let arguments = Some(vec!["go".into(), "build".into()]);
    let is_clean = scope != scopes::TREE_WITH_GO;
    // The one who asks waits.
    let (memo, look_time) = (None, Duration::from_secs(3600));
    let mut conditions = Conditions::new(Setting { arguments, is_clean, memo, look_time, ..setting(environment) });
    let parts = conditions.parts(&scope).ok_or("no condition: this scope is not here, or it has too much to read")?;
    String::from_utf8(parts).map_err(|_| "a name is no text")
}

/// What decides about sharing with a daemon.
pub(crate) fn rules_with_daemon(environment: &Environment) -> Rules {
    rules(environment, Bodies { offers_indexes: environment.reads_goroot, mtimes_count: false })
}

/// What decides about sharing in a store of the user's own. In a Nix build all files have the same mtime, and so has what a shell for
/// one unpacks.
pub(crate) fn rules_of_store(environment: &Environment) -> Rules {
    let variables = variables();
    let top = value(&variables, "NIX_BUILD_TOP").and_then(|top| std::fs::canonicalize(top).ok());
    let is_unpacked = top.is_some_and(|top| std::env::current_dir().is_ok_and(|dir| dir.starts_with(top)));
    rules(environment, Bodies { offers_indexes: false, mtimes_count: !is_build(&variables) && !is_unpacked })
}

fn rules(environment: &Environment, bodies: Bodies) -> Rules {
    let version = value(&variables(), "GOVERSION").and_then(|version| minor_version(version.to_str()?));
    Rules {
        bodies,
        is_clean: environment.is_clean,
        is_goroot_fixed: Path::new(&environment.toolchain.goroot).starts_with("/nix/store"),
        facts_stand_alone: version.is_some_and(|version| version < VET_PUTS_OUTPUT),
    }
}

/// The 26 of `go1.26.8`; `None` for what is no release of Go 1.
fn minor_version(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_go_is_read() {
        let cases =
            [("go1.26.8", Some(26)), ("go1.25rc1", Some(25)), ("go1.27-x", Some(27)), ("devel go1.28-abc", None)];
        for (text, minor) in cases {
            assert_eq!(minor_version(text), minor, "{text}");
        }
    }
}

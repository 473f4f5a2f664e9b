//! Judges for whom the entries of builds are: whether the users in `[trust]` are those who are meant, and whether the hook finds out who
//! asks for builds. Pure.

use proto::control::{Builds, OfUnknown, Status};
use proto::figures;
use proto::finding::{Finding, bad, good, warn};
use settings::{Accounts, Principal, Trust};

/// The names in `[trust]`, compared with this machine and with nix.conf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// The writers, as the settings name them.
    writers: String,
    /// Writers and relays whom the machine does not know.
    unknown: String,
    /// Users whom Nix trusts, and who are neither writers nor relays.
    only_trusted: String,
}

impl Names {
    /// Compares; `trusted` are those of nix.conf.
    pub(crate) fn new(trust: &Trust, trusted: &[String], accounts: &Accounts) -> Self {
        let relays = trust.relays.as_deref().unwrap_or_default();
        let unknown = accounts.unknown(&trust.writers).into_iter().chain(accounts.unknown(relays));
        let trusted = trusted.iter().filter_map(|name| Principal::try_from(name.clone()).ok());
        let is_named = |one: &Principal| [&trust.writers, relays].into_iter().any(|named| accounts.include(named, one));
        Self {
            writers: trust.writer_names(),
            unknown: list(unknown),
            only_trusted: list(trusted.filter(|one| !is_named(one))),
        }
    }
}

fn list(names: impl Iterator<Item = impl ToString>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

/// Whether the writers are those who are meant; `is_users`: the daemon is one user's own.
pub(crate) fn writers(names: Option<&Names>, is_users: bool) -> Finding {
    let what = "users whose builds are shared with all users";
    match names {
        None => warn(what, "not known", ""),
        Some(_) if is_users => good(what, "the user of the daemon"),
        Some(Names { unknown, .. }) if !unknown.is_empty() => warn(
            what,
            format!("this machine does not know {unknown}, whom the settings name"),
            "correct `[trust]` in /etc/nix-gocacheprog.toml, and restart the daemon; users of a directory service are written as \
             numbers",
        ),
        Some(Names { only_trusted, .. }) if !only_trusted.is_empty() => warn(
            what,
            format!("Nix trusts {only_trusted} (trusted-users), who are not among them"),
            "to share their builds with all users, add them to `writers` under `[trust]` in /etc/nix-gocacheprog.toml, and restart the daemon",
        ),
        Some(Names { writers, .. }) if writers.is_empty() => good(what, "none"),
        Some(Names { writers, .. }) => good(what, writers),
    }
}

/// Whether it is known who asked for the latest builds; without a daemon there are none.
pub(crate) fn requesters(builds: Option<&Builds>) -> Finding {
    let what = "who asks for builds";
    let Some(builds) = builds else { return warn(what, "not checked: the daemon does not answer", "") };
    if builds.all().next().is_none() {
        return good(what, "not known yet: no build so far");
    }
    match builds.of_unknown() {
        None => good(what, "known"),
        Some(OfUnknown { count, of, reason }) => warn(
            what,
            format!("not known for {count} of the last {of} builds, which share nothing: {reason}"),
            fix(reason),
        ),
    }
}

/// Whether outputs that were computed again are the same.
pub(crate) fn verification(status: Option<&Status>) -> Finding {
    let what = "shadow verification";
    let Some(status) = status else { return warn(what, "not checked: the daemon does not answer", "") };
    let found = &status.verification;
    match found.differences.first() {
        None if found.seconds_per_hour == 0 => good(what, "off"),
        None => good(what, figures::verification(found)),
        Some(latest) => bad(
            what,
            format!("{}. The latest: {latest}", figures::verification(found)),
            "the entries are in quarantine. Find out whether one of the builds is hostile, or the compiler does not give the same \
             output each time (docs/how-to/verify-outputs.md); build again what was given a wrong one",
        ),
    }
}

/// What to do (`prebuild-hook`, requester.rs has the reasons).
fn fix(why: &str) -> &'static str {
    if why.contains("earlier version") {
        "install hook and daemon of one version, and restart nix-daemon"
    } else if why.contains("came by") || why.contains("has no connection") {
        "set NIX_DAEMON_SOCKET_PATH, in nix-daemon's environment, to the path where its socket listens"
    } else if why.contains("looking at") || why.contains("looked at") || why.contains("asking for") {
        "let the hook use pidfd_getfd(2): Linux 5.6, kernel.yama.ptrace_scope below 3; in a container CAP_SYS_PTRACE and a filter of \
         system calls that allows it (systemd-nspawn: --system-call-filter=pidfd_getfd)"
    } else {
        "see docs/explanation/security.md, \"Who may write what others read\""
    }
}

#[cfg(test)]
mod tests {
    use proto::control::{BuildStatus, UNKNOWN_REQUESTER};
    use proto::finding::Level;

    use super::*;

    fn names(writers: &[&str], relays: Option<&[&str]>, trusted: &[&str]) -> Names {
        let all = |names: &[&str]| names.iter().map(|name| Principal::try_from((*name).to_owned()).unwrap()).collect();
        let trusted: Vec<_> = trusted.iter().map(|&name| name.to_owned()).collect();
        let accounts = Accounts::new("root:x:0:0::/:\nalice:x:1000:1000::/:\n".into(), "wheel:x:10:\n".into());
        Names::new(&Trust { writers: all(writers), relays: relays.map(all), ..Trust::default() }, &trusted, &accounts)
    }

    #[test]
    fn writers_are_compared_with_the_machine_and_with_nix() {
        for (names, level, text) in [
            (names(&["0"], None, &["root"]), Level::Good, "root"),
            (names(&["root", "1000", "@wheel"], None, &["alice", "@wheel"]), Level::Good, "root, 1000, @wheel"),
            (names(&["*"], None, &["alice", "@any"]), Level::Good, "*"),
            (names(&[], None, &[]), Level::Good, "none"),
            (names(&["root"], Some(&["alice"]), &["root", "alice"]), Level::Good, "root"),
            (
                names(&["root"], None, &["root", "alice", "@wheel"]),
                Level::Warn,
                "Nix trusts alice, @wheel (trusted-users)",
            ),
            (names(&["root", "carol"], Some(&["@x"]), &["alice"]), Level::Warn, "does not know carol, @x"),
        ] {
            let found = writers(Some(&names), false);
            assert!(found.level == level && found.found.contains(text), "{found:?}");
        }
        assert_eq!(writers(Some(&names(&["0"], None, &["alice"])), true).level, Level::Good);
    }

    #[test]
    fn builds_of_an_unknown_user_are_counted_and_have_a_reason_and_a_fix() {
        let build =
            |started, shared_with: &str| BuildStatus { started, shared_with: shared_with.into(), ..Default::default() };
        let judged = |ended: Vec<BuildStatus>| requesters(Some(&Builds { ended, ..Builds::default() }));
        let unknown = |started, why: &str| build(started, &format!("no other build: {UNKNOWN_REQUESTER}: {why}"));
        let known = build(9, "user 1000");
        assert_eq!(judged(vec![known.clone(), build(3, "no other build: it has a network")]).level, Level::Good);
        assert_eq!(judged(Vec::new()).found, "not known yet: no build so far");
        let found = judged(vec![known, unknown(2, "old"), unknown(8, "its connection came by /a and not by /b")]);
        assert_eq!(found.level, Level::Warn);
        assert!(found.found.starts_with("not known for 2 of the last 3 builds"), "{found:?}");
        assert!(
            found.found.ends_with("came by /a and not by /b") && found.fix.contains("NIX_DAEMON_SOCKET_PATH"),
            "{found:?}"
        );
        let old = (0..9).map(|n| build(n + 10, "all users")).chain([unknown(1, "x")]).collect();
        assert_eq!(judged(old).level, Level::Good);
        assert!(fix("looking at its descriptors: EPERM").contains("pidfd_getfd"));
    }
}

//! Judges for whom the entries of builds are: whether the users in `[trust]` are those who are meant. Pure. Whether it is known who asks
//! for builds, the daemon's status tells.

use proto::finding::{Finding, good, warn};
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

#[cfg(test)]
mod tests {
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
}

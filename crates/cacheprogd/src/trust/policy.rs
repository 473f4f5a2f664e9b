//! Where a build's entries go: to all users, to those of its own user, or to no other build.

use std::fmt;

use proto::control::{BuildStatus, Requester, UNKNOWN_REQUESTER};
use serde::{Deserialize, Serialize};
use settings::{Accounts, Trust};
use store::Partition;

/// The group of Nix's build users, as installers and NixOS name it.
const BUILD_USERS_GROUP: &str = "nixbld";

/// The uids that Nix gives to builds by itself: `start-id` and `id-count` of nix.conf(5), by default.
const AUTO_ALLOCATED: std::ops::Range<u32> = 872_415_232..872_415_232 + 8_388_608;

/// The part of the settings that decides it.
#[derive(Debug)]
pub(crate) struct Policy {
    trust: Trust,
    /// The daemon's own user: what runs as that can write to the store anyway.
    daemon_user: u32,
}

/// Where the entries of a build go. It reads that partition and the common one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Writes {
    /// To all users.
    Common,
    /// To builds of this user.
    User(u32),
    /// To no other build, and why.
    Nothing(String),
}

/// Of a build that was registered by a daemon which did not know.
impl Default for Writes {
    fn default() -> Self {
        Self::Nothing("it was registered by an earlier version".to_owned())
    }
}

/// Whom a build's entries are for.
impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common => f.write_str(BuildStatus::ALL_USERS),
            Self::User(uid) => write!(f, "user {uid}"),
            Self::Nothing(why) => write!(f, "no other build: {}", why.escape_default()),
        }
    }
}

impl Writes {
    /// The partition.
    pub(crate) fn partition(&self) -> Option<Partition> {
        match self {
            Self::Common => Some(Partition::Common),
            Self::User(uid) => Some(Partition::User(*uid)),
            Self::Nothing(_) => None,
        }
    }
}

impl Policy {
    /// The policy of these settings.
    pub(crate) fn new(trust: Trust) -> Self {
        let policy = Self { trust, daemon_user: rustix::process::geteuid().as_raw() };
        let accounts = Accounts::read();
        let relays = policy.trust.relays.as_deref().unwrap_or_default();
        for name in accounts.unknown(&policy.trust.writers).into_iter().chain(accounts.unknown(relays)) {
            log::warn!("the settings' [trust] names {name}, whom this machine does not know");
        }
        policy
    }

    /// For a build that Nix starts.
    pub(crate) fn of_build(&self, requester: &Requester) -> Writes {
        match requester {
            Requester::User { uid, forwards } => self.of_user(*uid, *forwards, &Accounts::read()),
            Requester::Unknown(why) => Writes::Nothing(format!("{UNKNOWN_REQUESTER}: {why}")),
        }
    }

    /// For go commands of a user outside of sandboxes.
    pub(crate) fn of_host_session(&self, uid: u32) -> Writes {
        let accounts = Accounts::read();
        match self.of_user(uid, false, &accounts) {
            // Builds of all users run as these, one after the other.
            Writes::User(_) if AUTO_ALLOCATED.contains(&uid) || accounts.is_in(BUILD_USERS_GROUP, uid) => {
                Writes::Nothing(format!("uid {uid} is a build user, as which builds of all users run"))
            }
            writes => writes,
        }
    }

    fn of_user(&self, uid: u32, forwards: bool, accounts: &Accounts) -> Writes {
        let is_relay = self.trust.relays.as_ref().map_or(forwards, |relays| accounts.have(relays, uid));
        let is_writer = uid == self.daemon_user || accounts.have(&self.trust.writers, uid);
        if is_writer && !is_relay { Writes::Common } else { Writes::User(uid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::Principal;

    fn policy(writers: &[&str], relays: Option<&[&str]>) -> Policy {
        let all = |names: &[&str]| names.iter().map(|name| Principal::try_from((*name).to_owned()).unwrap()).collect();
        let trust = Trust { writers: all(writers), relays: relays.map(all), ..Trust::default() };
        Policy { trust, daemon_user: 999_999 }
    }

    fn of(policy: &Policy, uid: u32, forwards: bool) -> Writes {
        policy.of_build(&Requester::User { uid, forwards })
    }

    #[test]
    fn writers_write_for_all_and_others_for_themselves() {
        let default = Policy { trust: Trust::default(), daemon_user: 999_999 };
        assert_eq!(of(&default, 0, false), Writes::Common);
        assert_eq!(of(&default, 999_999, false), Writes::Common);
        assert_eq!(of(&default, 30_101, false), Writes::User(30_101));
        assert_eq!(of(&policy(&["30101"], None), 30_101, false), Writes::Common);
        assert_eq!(of(&policy(&["*"], None), 5, false), Writes::Common);
        let unknown = default.of_build(&Requester::Unknown("no socket".into()));
        assert!(matches!(&unknown, Writes::Nothing(why) if why.ends_with("no socket")));
        assert_eq!(unknown.partition(), None);
    }

    #[test]
    fn who_forwards_builds_of_others_is_no_writer_unless_the_settings_say_so() {
        assert_eq!(of(&policy(&["0"], None), 0, true), Writes::User(0));
        assert_eq!(of(&policy(&["0"], Some(&[])), 0, true), Writes::Common);
        assert_eq!(of(&policy(&["*"], Some(&["7"])), 7, false), Writes::User(7));
        assert_eq!(of(&policy(&["*"], Some(&["7"])), 8, true), Writes::Common);
    }

    #[test]
    fn a_build_user_outside_of_sandboxes_writes_for_no_other_build_unless_it_is_a_writer() {
        let build_user = AUTO_ALLOCATED.start;
        assert!(matches!(policy(&[], None).of_host_session(build_user), Writes::Nothing(_)));
        assert_eq!(policy(&["872415232"], None).of_host_session(build_user), Writes::Common);
        assert_eq!(policy(&[], None).of_host_session(30_101), Writes::User(30_101));
    }
}

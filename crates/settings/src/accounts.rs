//! Users and groups of this machine, from /etc/passwd and /etc/group. The programs are static: they have no other way to ask for
//! them (nsswitch.conf(5)). Users of a directory service are named by number.

use std::fs;

use crate::trust::Principal;

/// The users and groups of the machine now.
#[derive(Debug, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Reads them. A file that cannot be read has none: no user is trusted for it.
    #[must_use]
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::new(read("/etc/passwd"), read("/etc/group"))
    }

    /// Those of these two files (passwd(5), group(5)).
    #[must_use]
    pub fn new(passwd: String, group: String) -> Self {
        Self { passwd, group }
    }

    /// Whether one of these is, or has, this user.
    #[must_use]
    pub fn have(&self, principals: &[Principal], uid: u32) -> bool {
        principals.iter().any(|principal| match principal {
            Principal::Everyone => true,
            Principal::Uid(one) => *one == uid,
            Principal::User(name) => self.users(uid).any(|(user, _)| user == name),
            Principal::Group(name) => self.is_in(name, uid),
        })
    }

    /// Whether a user is in a group: it is their own, or names them.
    #[must_use]
    pub fn is_in(&self, group: &str, uid: u32) -> bool {
        let lines = self.group.lines().map(|line| line.split(':').collect::<Vec<_>>());
        lines.filter(|fields| fields.first() == Some(&group)).any(|fields| {
            let members = fields.get(3).copied().unwrap_or_default();
            self.users(uid).any(|(user, gid)| fields.get(2) == Some(&gid) || members.split(',').any(|one| one == user))
        })
    }

    /// Whether all users whom `one` means are among these, as far as that can be seen.
    #[must_use]
    pub fn include(&self, principals: &[Principal], one: &Principal) -> bool {
        let named = [one, &Principal::Everyone].into_iter().any(|wanted| principals.contains(wanted));
        named
            || match one {
                Principal::Uid(uid) => self.have(principals, *uid),
                Principal::User(name) => self.uid(name).is_some_and(|uid| self.have(principals, uid)),
                Principal::Everyone | Principal::Group(_) => false,
            }
    }

    /// Those of the principals that this machine does not know.
    #[must_use]
    pub fn unknown<'a>(&self, principals: &'a [Principal]) -> Vec<&'a Principal> {
        let is_unknown = |principal: &&Principal| match principal {
            Principal::Everyone | Principal::Uid(_) => false,
            Principal::User(name) => !has(&self.passwd, name),
            Principal::Group(name) => !self.has_group(name),
        };
        principals.iter().filter(is_unknown).collect()
    }

    /// Whether there is a group with this name.
    #[must_use]
    pub fn has_group(&self, name: &str) -> bool {
        has(&self.group, name)
    }

    /// The number of a user.
    #[must_use]
    pub fn uid(&self, name: &str) -> Option<u32> {
        let line = self.passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    }

    /// Names and groups of a user: one uid may have several names.
    fn users(&self, uid: u32) -> impl Iterator<Item = (&str, &str)> {
        self.passwd.lines().filter_map(move |line| {
            let mut fields = line.split(':');
            let (name, number, group) = (fields.next()?, fields.nth(1)?, fields.next()?);
            (number.parse() == Ok(uid)).then_some((name, group))
        })
    }
}

/// Whether one of these lines has this name.
fn has(lines: &str, name: &str) -> bool {
    lines.lines().any(|line| line.split(':').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:100:A:/h:/s\nbob:x:1001:1001::/h:/s\nbroken\n".into(),
            group: "wheel:x:10:root,bob\nusers:x:100:\nbob:x:1001:\nhalf:x\n".into(),
        }
    }

    #[test]
    fn who_is_meant_by_one_name_is_included_by_another() {
        let all = |names: &[&str]| names.iter().map(|name| Principal::try_from((*name).to_owned()).unwrap()).collect();
        let include = |names: &[&str], one: &str| {
            let names: Vec<_> = all(names);
            accounts().include(&names, &Principal::try_from(one.to_owned()).unwrap())
        };
        for (names, one) in [
            (&["0"][..], "root"),
            (&["@wheel"], "bob"),
            (&["@wheel"], "1001"),
            (&["bob"], "1001"),
            (&["*"], "@wheel"),
            (&["carol"], "carol"),
        ] {
            assert!(include(names, one), "{one} in {names:?}");
        }
        for (names, one) in [
            (&["@wheel"][..], "alice"),
            (&["root", "bob"], "@wheel"),
            (&["@wheel"], "*"),
            (&["0"], "carol"),
            (&[], "0"),
        ] {
            assert!(!include(names, one), "{one} in {names:?}");
        }
    }

    #[test]
    fn users_are_found_by_name_number_and_group() {
        let accounts = accounts();
        let has = |text: &str, uid| accounts.have(&[Principal::try_from(text.to_owned()).unwrap()], uid);
        for (text, uids) in [
            ("*", &[0, 1000, 1001, 77][..]),
            ("1000", &[1000]),
            ("alice", &[1000]),
            ("@wheel", &[0, 1001]),
            ("@users", &[1000]),
            ("@bob", &[1001]),
            ("@half", &[]),
            ("@none", &[]),
            ("carol", &[]),
        ] {
            for uid in [0, 1000, 1001, 77] {
                assert_eq!(has(text, uid), uids.contains(&uid), "{text} {uid}");
            }
        }
        let names =
            ["alice", "carol", "@wheel", "@none", "5", "*"].map(|text| Principal::try_from(text.to_owned()).unwrap());
        assert_eq!(accounts.unknown(&names).iter().map(ToString::to_string).collect::<Vec<_>>(), ["carol", "@none"]);
    }
}

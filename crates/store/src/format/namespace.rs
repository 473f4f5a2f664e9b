//! A namespace: the set of records in which a session looks up an action. There is one for each partition and toolchain, so that
//! results of different toolchains, or of users who do not trust each other, never stand for each other.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use proto::wire::Toolchain;

/// Which entries count as true for every build. Entries of other rules are in namespaces of their own, and not found: under the
/// rules before, an entry without a condition was shared that Go's key does not cover.
const RULES: &str = "rules 2";

/// Names a set of records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace {
    partition: Partition,
    name: String,
}

impl Namespace {
    /// The namespace of a toolchain in a partition.
    #[must_use]
    pub fn new(partition: Partition, toolchain: &Toolchain) -> Self {
        let mut hasher = blake3::Hasher::new();
        // What no toolchain made (the module proxy's files have a name in place of a path) holds under any rules.
        let rules = toolchain.is_of_go().then_some(RULES);
        let Toolchain { goroot, gotooldir, go, content } = toolchain;
        for part in [goroot, gotooldir, go, content].into_iter().map(String::as_str).chain(rules) {
            hasher.update(&(part.len() as u64).to_le_bytes()); // so that no two lists of parts hash alike
            hasher.update(part.as_bytes());
        }
        Self { partition, name: format!("{partition}-{}", &hasher.finalize().to_hex()[..32]) }
    }

    /// The partition to which it belongs.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The toolchain's part of its name: 32 hex digits.
    #[must_use]
    pub fn toolchain(&self) -> &str {
        self.name.rsplit_once('-').map_or("", |(_, toolchain)| toolchain)
    }

    /// Whether a directory of this name is a namespace's.
    pub(crate) fn is_name(name: &str) -> bool {
        name.rsplit_once('-').is_some_and(|(partition, toolchain)| {
            toolchain.len() == 32
                && toolchain.bytes().all(|c| c.is_ascii_hexdigit())
                && partition.parse::<Partition>().is_ok()
        })
    }

    /// Its directory's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The users whose builds share a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Partition {
    /// All users: everyone reads it.
    Common,
    /// One user of the host.
    User(u32),
}

impl Partition {
    /// The partition of a namespace's directory. A directory that is not ours counts as everyone's.
    pub(crate) fn of_namespace(dir: &Path) -> Self {
        let name = dir.file_name().and_then(OsStr::to_str).and_then(|name| name.rsplit_once('-'));
        name.and_then(|(partition, _)| partition.parse().ok()).unwrap_or(Self::Common)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common => f.write_str("common"),
            Self::User(uid) => write!(f, "user-{uid}"),
        }
    }
}

impl FromStr for Partition {
    type Err = InvalidPartition;

    fn from_str(text: &str) -> Result<Self, InvalidPartition> {
        match text.strip_prefix("user-") {
            None if text == "common" => Ok(Self::Common),
            Some(uid) => uid.parse().map(Self::User).map_err(|_| InvalidPartition),
            None => Err(InvalidPartition),
        }
    }
}

/// A text that names no partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a partition")]
pub struct InvalidPartition;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_depends_on_each_part_of_the_toolchain() {
        let toolchain = Toolchain { goroot: "/go".into(), ..Toolchain::default() };
        let others = [
            Toolchain { gotooldir: "/tools".into(), ..toolchain.clone() },
            Toolchain { go: "/tools".into(), ..toolchain.clone() },
            Toolchain { content: "00ff".into(), ..toolchain.clone() },
            Toolchain { content: RULES.into(), goroot: "go".into(), ..Toolchain::default() },
            Toolchain { goroot: "go".into(), ..Toolchain::default() },
            Toolchain::default(),
        ];
        let all: std::collections::HashSet<_> =
            others.iter().chain([&toolchain]).map(|one| Namespace::new(Partition::Common, one)).collect();
        assert_eq!(all.len(), others.len() + 1);
    }

    #[test]
    fn a_directory_has_its_namespaces_partition() {
        for partition in [Partition::Common, Partition::User(0), Partition::User(1000)] {
            let namespace = Namespace::new(partition, &Toolchain::default());
            assert_eq!(Partition::of_namespace(&Path::new("/records").join(namespace.name())), partition);
        }
        assert_eq!(Partition::of_namespace(Path::new("/records/user-x-00")), Partition::Common);
    }

    #[test]
    fn what_no_toolchain_made_is_where_it_was_under_other_rules() {
        let modules = Toolchain { goroot: "modules 2".into(), ..Toolchain::default() };
        assert_eq!(Namespace::new(Partition::Common, &modules).name(), "common-e6a51868486dd7ae171a26aaefab0b91");
    }
}

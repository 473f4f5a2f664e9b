//! The keys of the cache. Pure.
//!
//! A key is a hash over the whole list up to the entry that answered, with every password in it or in .netrc. So a file from a
//! private upstream is found only by those who can name that upstream and log in to it, and an answer of the second entry,
//! after "not found" from the first, is not taken for an answer of the second alone.

use proto::ActionId;
use proto::wire::Toolchain;
use sha2::{Digest, Sha256};

use crate::goproxy_list::{Entry, OnError};

/// A hash over the list up to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceId([u8; 32]);

/// The namespace of modules, which do not depend on a toolchain. The number is raised when the form of the keys changes, or
/// when cached files were checked less than they are now.
pub(crate) fn namespace() -> Toolchain {
    Toolchain { goroot: "modules 2".to_owned(), ..Toolchain::default() }
}

/// An id for each entry; `login` gives user and password from .netrc.
pub(crate) fn source_ids(list: &[Entry], login: impl Fn(&Entry) -> Option<(String, String)>) -> Vec<SourceId> {
    let mut hasher = Sha256::new();
    let ids = list.iter().map(|entry| {
        let (user, password) = login(entry).unwrap_or_default();
        for part in [entry.text.as_str(), user.as_str(), password.as_str()] {
            add(&mut hasher, part);
        }
        let id = SourceId(hasher.clone().finalize().into());
        add(&mut hasher, if entry.on_error == OnError::TryNext { "|" } else { "," });
        id
    });
    ids.collect()
}

/// The key of a file that never changes.
pub(crate) fn immutable(source: &SourceId, path: &str) -> ActionId {
    key("immutable", source, path)
}

/// The key of the last answer to a request whose answer changes, for an hour since 1970. The daemon keeps the first output of
/// an action (docs/explanation/architecture.md), so each hour has a key of its own.
pub(crate) fn last_answer(source: &SourceId, path: &str, hour: u64) -> ActionId {
    key(&format!("seen {hour}"), source, path)
}

fn key(kind: &str, source: &SourceId, path: &str) -> ActionId {
    let mut hasher = Sha256::new();
    for part in ["nix-gocacheprog module", kind, path] {
        add(&mut hasher, part);
    }
    ActionId(hasher.chain_update(source.0).finalize().into())
}

/// Adds a part with its length, so that no two lists of parts have the same hash.
fn add(hasher: &mut Sha256, part: &str) {
    hasher.update((part.len() as u64).to_le_bytes());
    hasher.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goproxy_list::parse;

    #[test]
    fn a_key_depends_on_the_list_up_to_the_entry_and_its_passwords() {
        let source = |list: &str, n: usize, password: &str| {
            let login = |_: &Entry| (!password.is_empty()).then(|| ("me".to_owned(), password.to_owned()));
            source_ids(&parse(list).unwrap(), login)[n]
        };
        let plain = source("https://a.test", 0, "");
        assert_eq!(source("https://a.test,https://b.test|direct", 0, ""), plain);
        for other in [
            source("https://me:x@a.test", 0, ""),
            source("https://a.test", 0, "x"),
            source("https://a.test/y", 0, ""),
            source("https://b.test,https://a.test", 1, ""),
        ] {
            assert_ne!(other, plain);
        }
        assert_ne!(source("https://a.test", 0, "x"), source("https://a.test", 0, "y"));
        assert_ne!(source("https://b.test,https://a.test", 1, ""), source("https://b.test|https://a.test", 1, ""));
        assert_ne!(immutable(&plain, "x"), last_answer(&plain, "x", 0));
        assert_ne!(last_answer(&plain, "x", 1), last_answer(&plain, "x", 0));
    }
}

//! The names under which things are kept. Pure.
//!
//! A name holds the whole list up to the entry that answered, with every password in it or in .netrc: what a private
//! upstream gave can be asked for only by who can name that upstream and log in to it, and what the second entry gave after
//! the first had nothing is not taken for an answer of the second alone.

use proto::ActionId;
use proto::wire::Toolchain;
use sha2::{Digest, Sha256};

use crate::list::{Entry, OnError};

/// The beginning of the list up to an entry, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source([u8; 32]);

/// The namespace of modules: they have nothing to do with a toolchain. The number is raised when
/// these names get another form, or when what was kept was checked less than it is now.
pub(crate) fn namespace() -> Toolchain {
    Toolchain { goroot: "modules 2".to_owned(), ..Toolchain::default() }
}

/// One for each entry; `login` is what .netrc says for it.
pub(crate) fn sources(list: &[Entry], login: impl Fn(&Entry) -> Option<(String, String)>) -> Vec<Source> {
    let mut hasher = Sha256::new();
    let sources = list.iter().map(|entry| {
        let (user, password) = login(entry).unwrap_or_default();
        for part in [entry.text.as_str(), user.as_str(), password.as_str()] {
            add(&mut hasher, part);
        }
        let source = Source(hasher.clone().finalize().into());
        add(&mut hasher, if entry.on_error == OnError::Next { "|" } else { "," });
        source
    });
    sources.collect()
}

/// What never changes.
pub(crate) fn immutable(source: &Source, path: &str) -> ActionId {
    name("immutable", source, path)
}

/// What was seen last of something that changes, in an hour since 1970. The daemon keeps the first output of an action
/// (docs/explanation/architecture.md), so that each hour has a name of its own.
pub(crate) fn seen(source: &Source, path: &str, hour: u64) -> ActionId {
    name(&format!("seen {hour}"), source, path)
}

fn name(what: &str, source: &Source, path: &str) -> ActionId {
    let mut hasher = Sha256::new();
    for part in ["nix-gocacheprog module", what, path] {
        add(&mut hasher, part);
    }
    ActionId(hasher.chain_update(source.0).finalize().into())
}

/// With its length, so that no two lists of parts hash alike.
fn add(hasher: &mut Sha256, part: &str) {
    hasher.update((part.len() as u64).to_le_bytes());
    hasher.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::parse;

    #[test]
    fn a_name_holds_the_list_up_to_the_entry_and_its_passwords() {
        let source = |list: &str, n: usize, password: &str| {
            let login = |_: &Entry| (!password.is_empty()).then(|| ("me".to_owned(), password.to_owned()));
            sources(&parse(list).unwrap(), login)[n]
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
        assert_ne!(source("https://b.test,https://a.test", 1, ""), source("https://b.test|https://a.test", 1, ""));
        assert_ne!(immutable(&plain, "x"), seen(&plain, "x", 0));
        assert_ne!(seen(&plain, "x", 1), seen(&plain, "x", 0));
    }
}

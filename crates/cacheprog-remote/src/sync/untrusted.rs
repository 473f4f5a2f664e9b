//! Removes the entries of keys that are no longer trusted.

use std::fs;
use std::time::SystemTime;

use remote::content_hash::ContentHash;
use remote::keys::{PublicKey, TrustedKeys};
use store::{Mode, PurgeFilter, Store, StoreError};

use super::state::make_dir;

/// Removes what keys signed that were trusted for this URL the last time and are not now. Returns how many entries went.
///
/// # Errors
/// A [`StoreError`] where the store cannot be read.
pub fn forget_untrusted(store: &Store, url: &str, trusted: &TrustedKeys, now: SystemTime) -> Result<u64, StoreError> {
    let file = store.root().join("remote").join(format!("trusted-{}", &ContentHash::of(url.as_bytes()).hex()[..32]));
    let now_trusted: Vec<_> = trusted.iter().map(ToString::to_string).collect();
    let before = fs::read_to_string(&file).unwrap_or_default();
    let is_gone = |line: &&str| !now_trusted.iter().any(|key| key == line);
    let gone: Vec<_> = before.lines().filter(is_gone).filter_map(|line| line.parse::<PublicKey>().ok()).collect();
    let mut entries = 0;
    if !gone.is_empty() {
        let filter = PurgeFilter::SignedBy(gone.iter().map(PublicKey::signing_key).collect());
        let purged = store.evictor().purge(&filter, now, Mode::Apply, &mut |_| {})?;
        entries = purged.entries;
        if !purged.errors.is_empty() {
            return Ok(entries); // the next time it is tried again
        }
    }
    let text = now_trusted.join("\n");
    if text != before {
        // Where that fails, a key that goes later is not noticed: the store is read-only, and nothing is taken either.
        drop(make_dir(&store.root().join("remote")));
        drop(store.write_file(&file, text.as_bytes()));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::fixture::*;

    #[test]
    fn what_a_key_signed_goes_with_the_key_and_what_was_made_here_stays() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let (there, here, objects) = (store(one.path()), store(other.path()), Memory::default());
        // As in a store that a client opened: what was used today has a grace.
        here.recovery().resume_since_boot("boot", SystemTime::UNIX_EPOCH).unwrap();
        put(&there, 1, b"one", None);
        put(&there, 2, b"two", None);
        push(&there, &objects, "m@main", |_| {});
        put(&here, 3, b"three", None);
        let forget = |url: &str, seeds: &[u8]| forget_untrusted(&here, url, &trusted(seeds), crate::clock::now());
        assert_eq!(forget("a", &[1]).unwrap(), 0);
        assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 2);
        let used = here.get(&view(), &action(1), crate::clock::now()).unwrap().plain.unwrap();
        assert_eq!(forget("a", &[1, 2]).unwrap(), 0);
        assert_eq!(forget("b", &[2]).unwrap(), 0, "another URL has keys of its own");
        assert_eq!(forget("a", &[2]).unwrap(), 2);
        assert_eq!(found(&here), [(3, b"three".to_vec())]);
        assert!(here.object(used.output).unwrap().is_some(), "its path may have been given out");
        assert_eq!(forget("a", &[]).unwrap(), 0);
    }
}

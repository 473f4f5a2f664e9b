//! What a key signed goes when that key is trusted no longer.

use std::fs;
use std::time::SystemTime;

use remote::keys::{PublicKey, TrustedKeys};
use store::{Mode, PurgeFilter, Store, StoreError};

/// Removes what came from other machines and is signed by none of these keys. Nothing is looked at while the keys stay the same. How many
/// entries went.
///
/// # Errors
/// A [`StoreError`] where the store cannot be read.
pub fn forget_untrusted(store: &Store, trusted: &TrustedKeys, now: SystemTime) -> Result<u64, StoreError> {
    let file = store.root().join("remote").join("trusted");
    let mut keys: Vec<_> = trusted.iter().map(ToString::to_string).collect();
    keys.sort();
    let keys = keys.join("\n");
    if fs::read_to_string(&file).is_ok_and(|known| known == keys) {
        return Ok(0);
    }
    let filter = PurgeFilter::SignedByOthers(trusted.iter().map(PublicKey::signing_key).collect());
    let purged = store.evictor().purge(&filter, now, Mode::Apply, &mut |_| {})?;
    if purged.errors.is_empty() {
        // Where that fails, the next one looks again.
        drop(fs::create_dir_all(store.root().join("remote")));
        drop(store.write_file(&file, keys.as_bytes()));
    }
    Ok(purged.entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::fixture::*;

    #[test]
    fn what_a_key_signed_goes_with_the_key_and_what_was_made_here_stays() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let (there, here, objects) = (store(one.path()), store(other.path()), Memory::default());
        put(&there, 1, b"one", None);
        put(&there, 2, b"two", None);
        push(&there, &objects, "m@main", |_| {});
        put(&here, 3, b"three", None);
        let forget = |seeds: &[u8]| forget_untrusted(&here, &trusted(seeds), crate::clock::now()).unwrap();
        assert_eq!(forget(&[1]), 0);
        assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 2);
        assert_eq!(forget(&[1, 2]), 0);
        assert_eq!(forget(&[2]), 2);
        assert_eq!(found(&here), [(3, b"three".to_vec())]);
        assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 2);
        assert_eq!(forget(&[]), 2);
    }
}

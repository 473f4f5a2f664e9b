//! Keys that are taken from the settings: what they signed goes.

use std::fs;
use std::path::Path;

use proto::error::with_causes;
use remote::keys::{PublicKey, TrustedKeys};
use store::{Mode, PurgeFilter, Store};

use super::kept_file;
use crate::clock;

/// Removes what keys signed that were trusted before and are not now. Serving it ended when the settings were read.
pub(crate) fn forget_removed_keys(store: &Store, trusted: &TrustedKeys) {
    let file = store.root().join("remote").join("trusted");
    let now: Vec<_> = trusted.iter().map(ToString::to_string).collect();
    let before = fs::read_to_string(&file).unwrap_or_default();
    // A key with another name is the same.
    let is_trusted = |key: &PublicKey| trusted.iter().any(|one| one.signing_key() == key.signing_key());
    let known = before.lines().filter_map(|line| line.parse::<PublicKey>().ok());
    let gone: Vec<_> = known.filter(|key| !is_trusted(key)).collect();
    let mut failed = None;
    if !gone.is_empty() {
        let filter = PurgeFilter::SignedBy(gone.iter().map(PublicKey::signing_key).collect());
        match store.evictor().purge(&filter, clock::now(), Mode::Apply, &mut |_| {}) {
            Ok(purged) if purged.errors.is_empty() => {
                log::warn!("removed {} entries: their keys are no longer trusted", purged.entries);
            }
            Ok(purged) => failed = Some(purged.errors.join("; ")),
            Err(e) => failed = Some(with_causes(&e)),
        }
    }
    let mut known = now;
    if let Some(why) = failed {
        log::error!("removing entries of keys that are no longer trusted: {why}; the next start tries again");
        known.extend(gone.iter().map(ToString::to_string));
    }
    note_trusted(store, &file, (&before, &known.join("\n")));
}

fn note_trusted(store: &Store, file: &Path, (before, text): (&str, &str)) {
    if text != before {
        kept_file::write(store, file, text.as_bytes()).unwrap_or_else(|e| log::warn!("{}: {e}", file.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::wire::Toolchain;
    use proto::{ActionId, Output, OutputId, SigningKey};
    use remote::keys::SecretKey;
    use sha2::{Digest, Sha256};
    use std::time::SystemTime;
    use store::{Access, Origin, Put, Replaces, View};

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed("ci", &[seed; 32]).unwrap().public()
    }

    fn put(store: &Store, n: u8, key: Option<SigningKey>) {
        let body = [n; 10];
        let output = Output { id: OutputId(Sha256::digest(body).into()), size: 10 };
        let mut staged = store.stage(output, &mut &body[..], &mut Vec::new()).unwrap();
        let view = View::common(&Toolchain::default());
        let origin = Origin { key, ..view.origin(None, "") };
        let put = Put {
            action: ActionId([n; 32]),
            time: SystemTime::UNIX_EPOCH,
            cost_ms: 0,
            origin: &origin,
            condition: None,
            replaces: Replaces::Nothing,
        };
        store.put(&view, &put, &mut staged).unwrap();
    }

    #[test]
    fn what_a_key_signed_goes_with_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Access::Owner).unwrap();
        put(&store, 1, None);
        put(&store, 2, Some(key(2).signing_key()));
        put(&store, 3, Some(key(3).signing_key()));
        let left = |trusted: &[PublicKey]| {
            forget_removed_keys(&store, &TrustedKeys::new(trusted.to_vec()));
            let all = store.list(&View::common(&Toolchain::default())).unwrap();
            let mut left: Vec<_> = all.iter().map(|(action, ..)| action.0[0]).collect();
            left.sort_unstable();
            left
        };
        assert_eq!(left(&[key(2), key(3)]), [1, 2, 3]);
        assert_eq!(left(&[key(3)]), [1, 3]);
        assert_eq!(left(&[]), [1], "the last one too");
    }
}

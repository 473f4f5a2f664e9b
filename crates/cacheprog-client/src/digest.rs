//! Hashing of several parts in a row.

use blake3::Hasher;

/// Adds a part's length and its bytes, so that no two lists of parts have the same digest.
pub(crate) fn add_part(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

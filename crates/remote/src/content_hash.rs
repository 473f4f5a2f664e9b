//! The hash by which a file is named.

use sha2::{Digest, Sha256};

/// The sha256 of a frame file or an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// That of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its 64 digits.
    #[must_use]
    pub fn hex(&self) -> String {
        proto::id::hex(&self.0)
    }
}

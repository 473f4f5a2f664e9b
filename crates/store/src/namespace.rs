//! A namespace: which results may stand for each other's. One for each partition and toolchain.

use proto::id::hex;
use proto::wire::Toolchain;
use sha2::{Digest, Sha256};

/// Names the set of actions that a session sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// The namespace of a toolchain. `partition` is there so that stores can later be parted by user or trust without a
    /// new format; today everyone has [`Partition::Common`].
    #[must_use]
    pub fn new(partition: Partition, toolchain: &Toolchain) -> Self {
        let mut hasher = Sha256::new();
        for part in [&toolchain.goroot, &toolchain.gotooldir, &toolchain.go, &toolchain.salt] {
            hasher.update((part.len() as u64).to_le_bytes()); // so that no two lists of parts hash alike
            hasher.update(part);
        }
        Self { name: format!("{}-{}", partition.name(), hex(&hasher.finalize()[..16])) }
    }

    /// Its directory's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Whose results may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// Everyone's.
    Common,
}

impl Partition {
    fn name(self) -> &'static str {
        match self {
            Self::Common => "common",
        }
    }
}

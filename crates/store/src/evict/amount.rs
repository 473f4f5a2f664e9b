//! How much of a store something takes: bytes, files and entries together.

/// How much something takes, or must be removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) bytes: u64,
    /// Files of entries, and objects.
    pub(crate) files: u64,
    pub(crate) entries: u64,
}

impl Amount {
    /// Each at least as much as in the other.
    pub(crate) fn max(self, other: Self) -> Self {
        let (bytes, files) = (self.bytes.max(other.bytes), self.files.max(other.files));
        Self { bytes, files, entries: self.entries.max(other.entries) }
    }

    /// Whether each of these is at least as much.
    pub(crate) fn covers(self, needed: Self) -> bool {
        self.bytes >= needed.bytes && self.files >= needed.files && self.entries >= needed.entries
    }
}

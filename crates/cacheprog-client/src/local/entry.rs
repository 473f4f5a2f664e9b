//! An entry that a go command may be given, with what is known of it. Data alone.

use proto::gocmd::Hit;
use store::Record;

/// An entry of a store or a layer.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) hit: Hit,
    /// How long its making took.
    pub(crate) saves_ms: u64,
    pub(crate) is_package: bool,
}

impl Entry {
    pub(crate) fn of(record: &Record, path: String) -> Self {
        let hit = Hit { output: record.output, time: record.time, path };
        Self { hit, saves_ms: record.cost_ms, is_package: record.kind.is_package() }
    }
}

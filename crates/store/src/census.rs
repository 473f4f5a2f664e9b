//! Counting what is there.

use std::fs;

use proto::{ActionId, OutputId};

use crate::StoreError;
use crate::actions::{names, subdirectories};
use crate::layout::Layout;

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Records.
    pub entries: u64,
    /// Objects.
    pub objects: u64,
    /// The objects' bytes.
    pub bytes: u64,
}

pub(crate) fn take(layout: &Layout) -> Result<Census, StoreError> {
    let mut census = Census::default();
    for namespace in subdirectories(&layout.all_actions())? {
        for dir in subdirectories(&namespace)? {
            census.entries += names(&dir)?.iter().filter(|name| name.parse::<ActionId>().is_ok()).count() as u64;
        }
    }
    for dir in subdirectories(&layout.objects())? {
        for name in names(&dir)?.iter().filter(|name| name.parse::<OutputId>().is_ok()) {
            // One that went away meanwhile does not count.
            if let Ok(metadata) = fs::symlink_metadata(dir.join(name)) {
                census.objects += 1;
                census.bytes += metadata.len();
            }
        }
    }
    Ok(census)
}

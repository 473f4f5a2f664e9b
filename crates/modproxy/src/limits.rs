//! The largest files that are downloaded, cached and unpacked, and the longest downloads. Other limits stand beside the code that
//! uses them.

use std::time::Duration;

use crate::resource::{FileKind, Resource, ResourceKind};
use crate::settings::Timeouts;

/// Largest zip file and largest other file, in bytes: those of the go command (cmd/go/internal/modfetch/codehost `MaxZipFile`,
/// `MaxGoMod`).
pub(crate) const MAX_ZIP_SIZE: u64 = 500 << 20;
const MAX_FILE_SIZE: u64 = 16 << 20;

/// Largest file that is accepted for a resource.
pub(crate) fn max_size(resource: &Resource) -> u64 {
    if is_zip(resource) { MAX_ZIP_SIZE } else { MAX_FILE_SIZE }
}

/// How long the body of a resource may take.
pub(crate) fn max_time(resource: &Resource, timeouts: &Timeouts) -> Duration {
    if is_zip(resource) { timeouts.zip } else { timeouts.file }
}

fn is_zip(resource: &Resource) -> bool {
    matches!(resource.kind, ResourceKind::File(FileKind::Zip, _))
}

//! The largest files that are downloaded, cached and unpacked. Other limits stand beside the code that uses them.

use crate::resource::{FileKind, Resource, ResourceKind};

/// Largest zip file and largest other file, in bytes: those of the go command (cmd/go/internal/modfetch/codehost `MaxZipFile`,
/// `MaxGoMod`).
pub(crate) const MAX_ZIP_SIZE: u64 = 500 << 20;
const MAX_FILE_SIZE: u64 = 16 << 20;

/// Largest file that is accepted for a resource.
pub(crate) fn max_size(resource: &Resource) -> u64 {
    if matches!(resource.kind, ResourceKind::File(FileKind::Zip, _)) { MAX_ZIP_SIZE } else { MAX_FILE_SIZE }
}

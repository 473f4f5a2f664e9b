//! Files in which the daemon keeps what it knows of a remote store, over restarts.

use std::path::Path;

use proto::error::with_causes;
use store::Store;

/// Writes one, as a whole. The text of an error is for the log.
pub(super) fn write(store: &Store, file: &Path, bytes: &[u8]) -> Result<(), String> {
    file.parent().map_or(Ok(()), remote_sync::make_dir).map_err(|e| e.to_string())?;
    store.write_file(file, bytes).map_err(|e| with_causes(&e))
}

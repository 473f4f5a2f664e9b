//! Giving a finished file its place: the only file that renames, so the only one where something becomes visible.

use std::io::{ErrorKind, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::StoreError;
use crate::layout::{Existing, make_dir};

/// Moves a finished file to its place. Where directories are missing, `levels` of them are made: the first entry of its
/// fan-out or its namespace, but never the directory of a build that was removed meanwhile.
pub(crate) fn rename(file: NamedTempFile, path: &Path, levels: usize) -> Result<(), StoreError> {
    let Err(failed) = file.persist(path) else { return Ok(()) };
    if failed.error.kind() != ErrorKind::NotFound {
        return Err(StoreError::at("renaming to", path)(failed.error));
    }
    let dirs: Vec<_> = path.ancestors().skip(1).take(levels).take_while(|dir| !dir.exists()).collect();
    for dir in dirs.iter().rev() {
        make_dir(dir, 0o700, Existing::Leave)?;
    }
    failed.file.persist(path).map(drop).map_err(|e| StoreError::at("renaming to", path)(e.error))
}

/// Replaces a small file of ours as a whole.
pub(crate) fn write_small(tmp: &Path, path: &Path, bytes: &[u8], levels: usize) -> Result<(), StoreError> {
    let mut file = NamedTempFile::new_in(tmp).map_err(StoreError::at("creating a file in", tmp))?;
    file.write_all(bytes).map_err(StoreError::at("writing", file.path()))?;
    rename(file, path, levels)
}

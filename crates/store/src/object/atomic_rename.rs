//! Moves a finished file to its path in one step: the only code of the store that makes anything visible, by a rename or a link.
//!
//! A reader sees the whole file or none. Nothing is synced here: see recovery.rs.

use std::io::{ErrorKind, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::dirs::{Existing, make_dir, remove_file};
use crate::error::StoreError;

/// Moves a finished file to its path. Where directories are missing, `levels` of them are made: the first entry of its
/// fan-out or its namespace, but never the directory of a build that was removed meanwhile.
pub(crate) fn rename(file: NamedTempFile, path: &Path, levels: usize) -> Result<(), StoreError> {
    let Err(failed) = file.persist(path) else { return Ok(()) };
    make_missing(path, levels, failed.error)?;
    failed.file.persist(path).map(drop).map_err(|e| StoreError::at("renaming to", path)(e.error))
}

/// Replaces a small file of ours as a whole.
pub(crate) fn write_small(tmp: &Path, path: &Path, bytes: &[u8], levels: usize) -> Result<(), StoreError> {
    rename(small(tmp, bytes)?, path, levels)
}

/// Writes a small file of ours where there is none (`renameat2(2)` with `RENAME_NOREPLACE`, or `link(2)` where a file system
/// lacks that). False if there is one.
pub(crate) fn write_new(tmp: &Path, path: &Path, bytes: &[u8], levels: usize) -> Result<bool, StoreError> {
    let Err(mut failed) = small(tmp, bytes)?.persist_noclobber(path) else { return Ok(true) };
    if failed.error.kind() != ErrorKind::AlreadyExists {
        make_missing(path, levels, failed.error)?;
        let Err(again) = failed.file.persist_noclobber(path) else { return Ok(true) };
        failed = again;
    }
    match failed.error.kind() {
        ErrorKind::AlreadyExists => Ok(false),
        _ => Err(StoreError::at("renaming to", path)(failed.error)),
    }
}

/// A new file in the directory of unfinished ones, which is made where it is missing.
pub(crate) fn unfinished(tmp: &Path) -> Result<NamedTempFile, StoreError> {
    let made = match NamedTempFile::new_in(tmp) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            make_dir(tmp, 0o700, Existing::Leave)?;
            NamedTempFile::new_in(tmp)
        }
        made => made,
    };
    made.map_err(StoreError::at("creating a file in", tmp))
}

fn small(tmp: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
    let mut file = unfinished(tmp)?;
    file.write_all(bytes).map_err(StoreError::at("writing", file.path()))?;
    Ok(file)
}

/// Makes the directories that a path lacks, if that is why it could not be renamed to.
fn make_missing(path: &Path, levels: usize, error: std::io::Error) -> Result<(), StoreError> {
    if error.kind() != ErrorKind::NotFound {
        return Err(StoreError::at("renaming to", path)(error));
    }
    let dirs: Vec<_> = path.ancestors().skip(1).take(levels).take_while(|dir| !dir.exists()).collect();
    dirs.iter().rev().try_for_each(|dir| make_dir(dir, 0o700, Existing::Leave))
}

/// Replaces the file at `to` by a link to `from`. `to` is never missing meanwhile: a reader may be about to open it. `levels` as
/// for [`rename`].
pub(crate) fn relink(from: &Path, tmp: &Path, to: &Path, levels: usize) -> Result<(), StoreError> {
    let link = tempfile::Builder::new().make_in(tmp, |name| std::fs::hard_link(from, name));
    let link = link.map_err(StoreError::at("linking", from))?.into_temp_path();
    let name = link.to_path_buf();
    if let Err(failed) = link.persist(to) {
        make_missing(to, levels, failed.error)?;
        failed.path.persist(to).map_err(|e| StoreError::at("renaming to", to)(e.error))?;
    }
    // Where both were links to one file already, a rename does nothing (`rename(2)`).
    remove_file(&name)
}

//! Directories: making them with an exact mode, listing them, removing what is no longer used. It knows no names of
//! the store's layout.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, DirEntryExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// What to do with a directory that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Leave its mode alone.
    Leave,
    /// Add the bits that the mode asks for, where it is ours.
    Widen,
}

/// Makes a directory with exactly this mode, whatever the umask.
pub(crate) fn make_dir(path: &Path, mode: u32, existing: Existing) -> Result<(), StoreError> {
    if existing == Existing::Widen
        && let Some(parent) = path.parent()
    {
        fs::create_dir_all(parent).map_err(StoreError::at("creating", parent))?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => return set_mode(path, mode),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(StoreError::at("creating", path)(e)),
    }
    let metadata = fs::metadata(path).map_err(StoreError::at("reading", path))?;
    if !metadata.is_dir() {
        return Err(StoreError::at("creating", path)(ErrorKind::NotADirectory.into()));
    }
    let now = metadata.mode() & 0o7777;
    if existing == Existing::Widen && now | mode != now {
        set_mode(path, now | mode)?;
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(StoreError::at("setting the mode of", path))
}

/// Removes the oldest files of a directory, by their mtimes, beyond this number and so many bytes in all.
///
/// # Errors
/// Where the directory cannot be read, or a file of it cannot be looked at or removed.
pub fn keep_newest(dir: &Path, most_files: usize, most_bytes: u64) -> io::Result<()> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        all.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    all.sort();
    let mut bytes = 0;
    for (n, (_, size, path)) in all.iter().rev().enumerate() {
        bytes += size;
        if n >= most_files || bytes > most_bytes {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The directories in a directory; none where it is missing itself.
pub(crate) fn subdirectories(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut all = Vec::new();
    for path in names(dir)?.into_iter().map(|name| dir.join(name)) {
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => all.push(path),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {} // removed meanwhile
            // What is in it is not known to be gone.
            Err(e) => return Err(StoreError::at("reading", &path)(e)),
        }
    }
    Ok(all)
}

/// The names in a directory that are text; none where it is missing.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    Ok(names_and_inodes(dir)?.into_iter().map(|(name, _)| name).collect())
}

/// The same, with the inode of each.
pub(crate) fn names_and_inodes(dir: &Path) -> Result<Vec<(String, u64)>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()), // nothing was put yet
        Err(e) => return Err(StoreError::at("listing", dir)(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::at("listing", dir))?;
        names.extend(entry.file_name().into_string().ok().map(|name| (name, entry.ino())));
    }
    Ok(names)
}

/// Whether a directory is there and has nothing in it.
pub(crate) fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// Removes a file or a whole directory that is no longer used: what [`crate::BuildDir::retire`] or [`crate::Store::leftovers`]
/// named.
///
/// # Errors
/// A [`StoreError`] where a part of it stays.
pub fn remove_leftover(path: &Path) -> Result<(), StoreError> {
    let there = fs::symlink_metadata(path);
    // On a read-only file system the removal of what is not there fails with another error.
    if there.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
        return Ok(());
    }
    let is_dir = there.is_ok_and(|m| m.is_dir());
    #[expect(clippy::disallowed_methods, reason = "the one place that removes a tree")]
    let removed = if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::at("removing", path)(e)),
        _ => Ok(()),
    }
}

/// Removes a file. One that is gone already is no error: another process was as quick.
pub(crate) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::at("removing", path)(e)),
        _ => Ok(()),
    }
}

//! Publishing: a staged body becomes an object, or a file in the directory of one build.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use proto::Output;
use rustix::io::Errno;

use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::object::atomic_rename::{relink, rename};
use crate::object::integrity_mtime::{State, bump_ctime, is_whole, set_integrity_mtime, state};
use crate::object::staged_body::{Content, StagedBody, Taken, new_file};
use crate::unsynced::UnsyncedSpans;

/// Directories of an object that are made where they are missing: `objects/<1 hex>`.
const OBJECT_LEVELS: usize = 2;

/// Puts the body among the objects. One that is there is replaced unless it is known to be the same, which also repairs it.
/// Returns its size if there was none.
pub(crate) fn publish_object(layout: &Layout, body: &mut StagedBody) -> Result<Option<u64>, StoreError> {
    let output = body.output();
    let path = layout.object(&output.id);
    if let Content::Memory(bytes) = body.content()
        && is_the_same(&path, output, bytes)?
    {
        bump_ctime(&path); // by this a sweep that has not seen the record of this put leaves it
        return Ok(None);
    }
    let is_new = fs::symlink_metadata(&path).is_err();
    publish_file(body, layout.tmp(), &path, OBJECT_LEVELS)?;
    Ok(is_new.then_some(output.size))
}

/// Makes the file of a build an object, by a link: it holds the output, and the build cannot write to it. One that is there is
/// replaced. Returns its size if there was none.
pub(crate) fn adopt_object(layout: &Layout, file: &Path, output: Output) -> Result<Option<u64>, StoreError> {
    let path = layout.object(&output.id);
    let inode = |path: &Path| fs::symlink_metadata(path).map(|m| (m.dev(), m.ino())).ok();
    let before = inode(&path);
    if before.is_some() && before == inode(file) {
        bump_ctime(&path); // by this a sweep that has not seen the record of this put leaves it
        return Ok(None);
    }
    match relink(file, layout.tmp(), &path, OBJECT_LEVELS) {
        Err(StoreError::Io { source, .. }) if is_link_refused(&source) => {
            copy(file, (layout.tmp(), &path), output, OBJECT_LEVELS)?;
        }
        linked => linked?,
    }
    Ok(before.is_none().then_some(output.size))
}

/// Whether no link to a file can be made, and a copy is to take its place: it has as many as the file system allows (65,000 on
/// ext4), or there are none on this file system or to that place (`link(2)`).
pub(crate) fn is_link_refused(error: &io::Error) -> bool {
    let refused = [Errno::MLINK, Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::XDEV];
    Errno::from_io_error(error).is_some_and(|errno| refused.contains(&errno))
}

/// Moves the body's file to a path. One that was published to another path before, as another writer was quicker with the
/// action, is copied.
pub(crate) fn publish_file(body: &mut StagedBody, tmp: &Path, path: &Path, levels: usize) -> Result<(), StoreError> {
    let output = body.output();
    let file = match body.take_file(tmp, path)? {
        Taken::File(file) => file,
        Taken::Published(_) if is_whole(path, output, &UnsyncedSpans::default())? => return Ok(()),
        Taken::Published(elsewhere) => return copy(&elsewhere, (tmp, path), output, levels),
    };
    set_integrity_mtime(file.as_file(), &output.id).map_err(StoreError::at("setting the time of", file.path()))?;
    rename(file, path, levels)
}

/// Puts a copy of an object at a path.
pub(crate) fn copy(from: &Path, (tmp, to): (&Path, &Path), output: Output, levels: usize) -> Result<(), StoreError> {
    let file = new_file(tmp)?;
    let mut source = fs::File::open(from).map_err(StoreError::at("opening", from))?;
    // On Linux this is copy_file_range, which shares the blocks where the file system can.
    io::copy(&mut source, &mut file.as_file()).map_err(StoreError::at("copying", from))?;
    set_integrity_mtime(file.as_file(), &output.id).map_err(StoreError::at("setting the time of", file.path()))?;
    rename(file, to, levels)
}

/// A small body is compared with what is there, which costs no more than writing it.
fn is_the_same(path: &Path, output: Output, bytes: &[u8]) -> Result<bool, StoreError> {
    Ok(state(path, output, &UnsyncedSpans::default())? == State::Whole
        && fs::read(path).is_ok_and(|there| there == bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_takes_the_place_of_a_link_where_there_are_no_links_and_not_where_the_disk_fails() {
        let is_refused = |errno: Errno| is_link_refused(&errno.into());
        assert!([Errno::MLINK, Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::XDEV].into_iter().all(is_refused));
        assert!(![Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::ROFS, Errno::NOENT].into_iter().any(is_refused));
    }
}

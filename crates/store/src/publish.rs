//! Publishing: the only file that renames, so the only place where something becomes visible.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use proto::OutputId;
use tempfile::NamedTempFile;

use crate::actions::Actions;
use crate::incoming::Content;
use crate::layout::{Existing, Layout, make_dir};
use crate::object::{State, is_whole, set_seal, state};
use crate::{Incoming, Put, Record, Replaces, StoreError};

/// Directories of an object that are made where they are missing: `objects/<2 hex>`.
const OBJECT_LEVELS: usize = 2;

/// What became of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is the action's output now.
    New,
    /// The action had this output already; its time moved forward.
    Again,
    /// The action has another output, which stays.
    Conflict(Record),
}

pub(crate) fn publish(
    layout: &Layout,
    actions: &Actions,
    put: &Put,
    body: &mut Incoming,
) -> Result<Published, StoreError> {
    let mut record = Record {
        kind: body.kind(),
        output: body.output(),
        size: body.size(),
        time: put.time,
        cost_ms: put.cost_ms,
        build: put.build,
    };
    // A record that cannot be read is replaced, like one that is not there.
    let before = actions.read(&put.action).ok().flatten();
    let published = match before {
        Some(old) if old.output == record.output => {
            record = Record { time: record.time.max(old.time), cost_ms: old.cost_ms.max(record.cost_ms), ..old };
            Published::Again
        }
        Some(old)
            if put.replaces == Replaces::Nothing && is_whole(&layout.object(&old.output), &old.output, old.size)? =>
        {
            return Ok(Published::Conflict(old));
        }
        Some(_) | None => Published::New,
    };
    publish_object(layout, body)?;
    actions.write(&put.action, &record)?;
    Ok(published)
}

/// Puts the body among the objects. One that is there is replaced unless it is known to be the same, which also mends it.
fn publish_object(layout: &Layout, body: &mut Incoming) -> Result<(), StoreError> {
    let path = layout.object(&body.output());
    if let Content::Memory(bytes) = body.content()
        && holds(&path, &body.output(), bytes)?
    {
        return Ok(());
    }
    publish_file(body, &layout.tmp(), &path, OBJECT_LEVELS)
}

/// Gives the body's file its place.
pub(crate) fn publish_file(body: &mut Incoming, tmp: &Path, path: &Path, levels: usize) -> Result<(), StoreError> {
    let Some(file) = body.take_file(tmp)? else {
        // It has its place elsewhere, unless that is this one.
        let is_here = is_whole(path, &body.output(), body.size())?;
        return if is_here {
            Ok(())
        } else {
            Err(StoreError::at("publishing again", path)(ErrorKind::NotFound.into()))
        };
    };
    set_seal(file.as_file(), &body.output()).map_err(StoreError::at("setting the time of", file.path()))?;
    rename(file, path, levels)
}

/// A small body is compared with what is there, which costs no more than writing it.
fn holds(path: &Path, output: &OutputId, bytes: &[u8]) -> Result<bool, StoreError> {
    Ok(state(path, output, bytes.len() as u64)? == State::Whole && fs::read(path).is_ok_and(|there| there == bytes))
}

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

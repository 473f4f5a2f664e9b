//! Publishing: what becomes of a put, for everyone in the namespace.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use proto::OutputId;

use crate::actions::Actions;
use crate::incoming::Content;
use crate::layout::Layout;
use crate::object::{Doubt, State, is_whole, set_seal, state, touch};
use crate::place::rename;
use crate::{Incoming, Put, Record, Replaces, Store, StoreError};

/// Directories of an object that are made where they are missing: `objects/<1 hex>`.
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
    store: &Store,
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
    let layout = &store.layout;
    // A record that cannot be read is replaced, like one that is not there.
    let before = actions.read(&put.action);
    let is_new = matches!(before, Ok(None));
    let before = before.ok().flatten();
    let published = match before {
        Some(old) if old.output == record.output => {
            record = Record { time: record.time.max(old.time), cost_ms: old.cost_ms.max(record.cost_ms), ..old };
            Published::Again
        }
        Some(old) if !may_replace(put.replaces, &old, &record) && is_there(layout, &old)? => {
            return Ok(Published::Conflict(old));
        }
        Some(old) => {
            touch(&layout.object(&old.output)); // its path may have been told just now: a sweep knows by this
            Published::New
        }
        None => Published::New,
    };
    let object = publish_object(layout, body)?;
    store.tally.add(false, object);
    actions.write(&put.action, &record)?;
    store.tally.add(is_new, None);
    Ok(published)
}

fn may_replace(replaces: Replaces, old: &Record, new: &Record) -> bool {
    match replaces {
        Replaces::Nothing => false,
        Replaces::SameKind => old.kind == new.kind,
        Replaces::Any => true,
    }
}

fn is_there(layout: &Layout, record: &Record) -> Result<bool, StoreError> {
    is_whole(&layout.object(&record.output), &record.output, record.size, layout.doubt())
}

/// Puts the body among the objects. One that is there is replaced unless it is known to be the same, which also mends it.
/// Returns its size if there was none.
fn publish_object(layout: &Layout, body: &mut Incoming) -> Result<Option<u64>, StoreError> {
    let path = layout.object(&body.output());
    if let Content::Memory(bytes) = body.content()
        && is_the_same(&path, &body.output(), bytes)?
    {
        touch(&path); // a sweep that has not seen this put's record leaves it
        return Ok(None);
    }
    let is_new = fs::symlink_metadata(&path).is_err();
    publish_file(body, &layout.tmp(), &path, OBJECT_LEVELS)?;
    Ok(is_new.then_some(body.size()))
}

/// Gives the body's file its place.
pub(crate) fn publish_file(body: &mut Incoming, tmp: &Path, path: &Path, levels: usize) -> Result<(), StoreError> {
    let Some(file) = body.take_file(tmp)? else {
        // It has its place elsewhere, unless that is this one.
        let is_here = is_whole(path, &body.output(), body.size(), &Doubt::default())?;
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
fn is_the_same(path: &Path, output: &OutputId, bytes: &[u8]) -> Result<bool, StoreError> {
    Ok(state(path, output, bytes.len() as u64, &Doubt::default())? == State::Whole
        && fs::read(path).is_ok_and(|there| there == bytes))
}

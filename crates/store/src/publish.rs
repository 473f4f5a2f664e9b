//! Publishing: what becomes of a put, for everyone in the namespace.
//!
//! The first output of an action stays, strictly: its record is made with a call that fails where there is one, and replaced only
//! by whoever holds it (actions.rs) and has looked again.

use std::fs;
use std::path::Path;

use proto::{OutputId, limits};

use crate::actions::{Actions, Hold};
use crate::doubt::Doubt;
use crate::incoming::{Content, Taken, new_file};
use crate::layout::Layout;
use crate::object::{State, is_whole, set_seal, state, touch};
use crate::place::rename;
use crate::{Incoming, Put, Record, Replaces, Store, StoreError};

/// Directories of an object that are made where they are missing: `objects/<1 hex>`.
const OBJECT_LEVELS: usize = 2;

/// How often it is tried where the record comes and goes in between.
const TRIES: usize = 20;

/// What became of a put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is the action's output now.
    New,
    /// The action had this output already; its time moved forward.
    Again,
    /// The action has another output, which stays.
    Conflict(Box<Record>),
}

pub(crate) fn publish(
    store: &Store,
    actions: &Actions,
    put: &Put<'_>,
    body: &mut Incoming,
) -> Result<Published, StoreError> {
    let layout = &store.layout;
    let record = Record {
        kind: body.kind(),
        output: body.output(),
        size: body.size(),
        time: put.time,
        cost_ms: put.cost_ms,
        origin: put.origin.clone(),
        condition: put.condition.cloned(),
    };
    let is_there = |old: &Record| is_whole(&layout.object(&old.output), &old.output, old.size, layout.doubt());
    let path = actions.path(&put.action);
    let before = unless_damaged(&path, actions.read(&put.action))?;
    let mut is_absent = before.as_ref().is_some_and(Vec::is_empty);
    if let Published::Conflict(first) = decide(put.replaces, &before.unwrap_or_default(), &record, is_there)?.0 {
        return Ok(Published::Conflict(first));
    }
    store.tally.add(false, publish_object(layout, body)?);
    for _ in 0..TRIES {
        if is_absent && actions.create(&put.action, std::slice::from_ref(&record))? {
            store.tally.add(true, None);
            return Ok(Published::New);
        }
        let (known, held) = match unless_damaged(&path, actions.hold(&put.action))? {
            Some(Hold::Absent) => {
                is_absent = true;
                continue;
            }
            Some(Hold::Held(held)) => (held.lines.records.clone(), Some(held)),
            Some(Hold::Busy) => (unless_damaged(&path, actions.read(&put.action))?.unwrap_or_default(), None),
            None => (Vec::new(), None),
        };
        let (published, left) = decide(put.replaces, &known, &record, is_there)?;
        match (&published, &held) {
            // Nothing to write, or no more than a later time.
            (Published::Conflict(_), _) | (Published::Again, None) => return Ok(published),
            (Published::New, None) if !known.is_empty() => break,
            (Published::New | Published::Again, _) => {}
        }
        // The paths of those that go may have been told just now: a sweep knows by this.
        let gone = known.iter().filter(|old| left.iter().all(|stays| stays.output != old.output));
        gone.for_each(|old| touch(&layout.object(&old.output)));
        actions.write(&put.action, &left)?;
        return Ok(published);
    }
    Err(StoreError::Busy { path })
}

/// `None` where what is there is no record that anybody could read: like one that is not there it is replaced. Another error, of a
/// process without descriptors say, tells nothing of the record, which may be good and stays.
fn unless_damaged<T>(path: &Path, known: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match known {
        Ok(known) => Ok(Some(known)),
        Err(e) if e.is_damage() || fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What becomes of a new record beside those that are there, and which there are then, the newest first. Pure, but for `is_there`,
/// which tells whether the object of a record is there.
///
/// An action is known without a condition or with several: which of both it is, the first says.
fn decide(
    replaces: Replaces,
    known: &[Record],
    new: &Record,
    mut is_there: impl FnMut(&Record) -> Result<bool, StoreError>,
) -> Result<(Published, Vec<Record>), StoreError> {
    let is_other = |old: &&Record| old.condition.is_some() && new.condition.is_some() && old.condition != new.condition;
    let mut left: Vec<Record> = known.iter().filter(is_other).cloned().collect();
    left.truncate(limits::CONDITIONS - 1);
    let mut published = (Published::New, new.clone());
    for old in known.iter().filter(|old| !is_other(old)) {
        // What is true without a condition is true with one.
        let is_covered = old.condition.is_none() || old.condition == new.condition;
        if old.output == new.output && is_covered {
            let (time, cost_ms) = (new.time.max(old.time), new.cost_ms.max(old.cost_ms));
            published = (Published::Again, Record { time, cost_ms, ..old.clone() });
        } else if !may_replace(replaces, old, new) && is_there(old)? {
            return Ok((Published::Conflict(Box::new(old.clone())), Vec::new()));
        }
    }
    left.insert(0, published.1);
    Ok((published.0, left))
}

fn may_replace(replaces: Replaces, old: &Record, new: &Record) -> bool {
    match replaces {
        Replaces::Nothing => false,
        Replaces::SameKind => old.kind == new.kind,
        Replaces::Any => true,
    }
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
    publish_file(body, layout.tmp(), &path, OBJECT_LEVELS)?;
    Ok(is_new.then_some(body.size()))
}

/// Gives the body's file its place. One that has another place already, as somebody else was quicker with the action, is copied.
pub(crate) fn publish_file(body: &mut Incoming, tmp: &Path, path: &Path, levels: usize) -> Result<(), StoreError> {
    let output = body.output();
    let file = match body.take_file(tmp, path)? {
        Taken::File(file) => file,
        Taken::Published(_) if is_whole(path, &output, body.size(), &Doubt::default())? => return Ok(()),
        Taken::Published(elsewhere) => return copy(&elsewhere, (tmp, path), &output),
    };
    set_seal(file.as_file(), &output).map_err(StoreError::at("setting the time of", file.path()))?;
    rename(file, path, levels)
}

/// Puts a copy of an object in a place.
pub(crate) fn copy(from: &Path, (tmp, to): (&Path, &Path), output: &OutputId) -> Result<(), StoreError> {
    let file = new_file(tmp)?;
    let mut source = fs::File::open(from).map_err(StoreError::at("opening", from))?;
    // On Linux this is copy_file_range, which shares the blocks where the file system can.
    std::io::copy(&mut source, &mut file.as_file()).map_err(StoreError::at("copying", from))?;
    set_seal(file.as_file(), output).map_err(StoreError::at("setting the time of", file.path()))?;
    rename(file, to, 0)
}

/// A small body is compared with what is there, which costs no more than writing it.
fn is_the_same(path: &Path, output: &OutputId, bytes: &[u8]) -> Result<bool, StoreError> {
    Ok(state(path, output, bytes.len() as u64, &Doubt::default())? == State::Whole
        && fs::read(path).is_ok_and(|there| there == bytes))
}

//! What becomes of a put, for everyone who reads its namespace.
//!
//! The first output of an action stays, strictly: its record is made with a call that fails where there is one, and replaced only
//! by a writer that has locked it (`record_dir.rs`) and has read it again. The object comes before the record that names it. An output of
//! another machine gives way to one that was made here, and to one of a key that is trusted.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use proto::{ActionId, Condition, Output};

use crate::counters::Counters;
use crate::error::StoreError;
use crate::format::kind::Kind;
use crate::format::layout::Layout;
use crate::format::origin::Origin;
use crate::format::record::{CONDITIONS_KEPT, Record};
use crate::object::integrity_mtime::{bump_ctime, is_whole};
use crate::object::staged_body::StagedBody;
use crate::record_dir::{LockOutcome, RecordDir};
use crate::unsynced::UnsyncedSpans;
use crate::view::View;

/// How often writing a record is tried where others make and remove it in between.
const TRIES: usize = 20;

/// What is known of a put beside its body.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// The action that was carried out.
    pub action: ActionId,
    /// When it was put.
    pub time: SystemTime,
    /// Milliseconds from the session's miss to this put: what a hit saves. 0 if unknown.
    pub cost_ms: u64,
    /// The build and the user that put it ([`crate::View::origin`]).
    pub origin: &'a Origin,
    /// The condition under which other builds may use it; `None`: there is none.
    pub condition: Option<&'a Condition>,
    /// Which earlier output of the action it may replace.
    pub replaces: Replaces,
}

impl Put<'_> {
    /// The record of this put, whose body is this one.
    pub(crate) fn record(&self, body: &StagedBody) -> Record {
        self.record_with(body.kind(), body.output())
    }

    /// The record of this put, whose body was kept under another record.
    pub(crate) fn record_of(&self, kept: &Record) -> Record {
        self.record_with(kept.kind, kept.output)
    }

    fn record_with(&self, kind: Kind, output: Output) -> Record {
        let (time, cost_ms, origin) = (self.time, self.cost_ms, self.origin.clone());
        Record { kind, output, time, cost_ms, origin, condition: self.condition.cloned(), is_quarantined: false }
    }
}

/// Whether a put may replace another output of its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// No: the first stays, as others rely on it.
    Nothing,
    /// One of the same kind: a test's log by that of a later run, and its result. Never what others compile with.
    SameKind,
    /// Yes: the store has one user, and this is what Go's own cache does (`go build -a` replaces a stale entry by it).
    Any,
}

/// What became of a put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is the action's output now.
    New,
    /// The action had this output already; its time moved forward.
    Again,
    /// The action has another output, which stays.
    Conflict(Box<Record>),
    /// It is the action's output now, in the place of this one of another machine.
    Outranks(Box<Record>),
    /// The action's output is in quarantine, and so is what is put for it: it is shared with none.
    Quarantined,
}

/// Writes to one namespace of a store.
#[derive(Debug)]
pub(crate) struct NamespaceWriter<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) unsynced: &'a UnsyncedSpans,
    pub(crate) counters: &'a Counters,
    pub(crate) records: RecordDir,
    /// Who puts.
    pub(crate) view: &'a View,
}

impl NamespaceWriter<'_> {
    /// `publish` makes the object, and returns its size if there was none.
    pub(crate) fn put(
        &self,
        put: &Put<'_>,
        record: &Record,
        publish: impl FnOnce() -> Result<Option<u64>, StoreError>,
    ) -> Result<Published, StoreError> {
        let path = self.records.path(&put.action);
        let before = unless_damaged(&path, self.records.read(&put.action))?;
        let is_absent = before.as_ref().is_some_and(Vec::is_empty);
        let published = self.decide(put.replaces, &before.unwrap_or_default(), record)?.0;
        if matches!(published, Published::Conflict(_) | Published::Quarantined) {
            return Ok(published);
        }
        self.counters.add_object(publish()?);
        self.write_record(put, record, is_absent)
    }

    /// Writes the record of a put whose object is there. `is_absent`: there was no record a moment ago.
    fn write_record(&self, put: &Put<'_>, record: &Record, mut is_absent: bool) -> Result<Published, StoreError> {
        let path = self.records.path(&put.action);
        for _ in 0..TRIES {
            if is_absent && self.records.create(&put.action, std::slice::from_ref(record))? {
                self.counters.add_entry();
                return Ok(Published::New);
            }
            let (known, locked) = match unless_damaged(&path, self.records.lock(&put.action))? {
                Some(LockOutcome::Absent) => {
                    is_absent = true;
                    continue;
                }
                Some(LockOutcome::Locked(file)) => (file.lines.records.clone(), Some(file)),
                Some(LockOutcome::Busy) => {
                    (unless_damaged(&path, self.records.read(&put.action))?.unwrap_or_default(), None)
                }
                None => (Vec::new(), None),
            };
            let (published, left) = self.decide(put.replaces, &known, record)?;
            match (&published, &locked) {
                // Nothing to write, or no more than a later time.
                (Published::Conflict(_) | Published::Quarantined, _) | (Published::Again, None) => {
                    return Ok(published);
                }
                (Published::New | Published::Outranks(_), None) if !known.is_empty() => break,
                (Published::New | Published::Again | Published::Outranks(_), _) => {}
            }
            // The paths of the outputs that go may have been given out just now: by the new ctime a sweep leaves them.
            let gone = known.iter().filter(|old| left.iter().all(|stays| stays.output.id != old.output.id));
            gone.for_each(|old| bump_ctime(&self.layout.object(&old.output.id)));
            self.records.write(&put.action, &left)?;
            return Ok(published);
        }
        Err(StoreError::Busy { path })
    }

    fn decide(
        &self,
        replaces: Replaces,
        known: &[Record],
        new: &Record,
    ) -> Result<(Published, Vec<Record>), StoreError> {
        let gives_way = |old: &Record| gives_way(self.view, old, new);
        decide(replaces, (known, gives_way), new, |old| {
            is_whole(&self.layout.object(&old.output.id), old.output, self.unsynced)
        })
    }
}

/// `None` where what is there is a record that no process can read: it is replaced, like one that is not there. Another error, of a
/// process without descriptors say, says nothing about the record, which may be good and stays.
fn unless_damaged<T>(path: &Path, known: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match known {
        Ok(known) => Ok(Some(known)),
        Err(e) if e.is_damage() || fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Decides what becomes of a new record beside those that are there, and which records there are afterwards, the newest first. Pure,
/// except for `is_there`, which looks whether the object of a record is there.
///
/// Each condition has one record, and so has none. They do not touch each other; beyond [`CONDITIONS_KEPT`] the oldest one with
/// a condition goes. What is in quarantine stays: else newer conditions would bring it back into service.
fn decide(
    replaces: Replaces,
    (known, gives_way): (&[Record], impl Fn(&Record) -> bool),
    new: &Record,
    mut is_there: impl FnMut(&Record) -> Result<bool, StoreError>,
) -> Result<(Published, Vec<Record>), StoreError> {
    let (same, mut left): (Vec<_>, Vec<_>) =
        known.iter().cloned().partition(|old: &Record| old.condition == new.condition);
    while left.len() >= CONDITIONS_KEPT {
        match left.iter().rposition(|old| old.condition.is_some() && !old.is_quarantined) {
            Some(oldest) => drop(left.remove(oldest)),
            None => return Ok((Published::Quarantined, Vec::new())),
        }
    }
    let mut published = (Published::New, new.clone());
    for old in &same {
        if old.is_quarantined {
            return Ok((Published::Quarantined, Vec::new()));
        }
        if old.output.id == new.output.id {
            let (time, cost_ms) = (new.time.max(old.time), new.cost_ms.max(old.cost_ms));
            let origin = if gives_way(old) { new.origin.clone() } else { old.origin.clone().with_witness(&new.origin) };
            published = (Published::Again, Record { time, cost_ms, origin, ..old.clone() });
        } else if gives_way(old) {
            published.0 = Published::Outranks(Box::new(old.clone()));
        } else if !may_replace(replaces, old, new) && is_there(old)? {
            return Ok((Published::Conflict(Box::new(old.clone())), Vec::new()));
        }
    }
    left.insert(0, published.1);
    Ok((published.0, left))
}

/// Whether a record that another machine signed gives way to a new one, which was made here or is of a key that is trusted.
fn gives_way(view: &View, old: &Record, new: &Record) -> bool {
    old.origin.key.is_some() && (new.origin.key.is_none() || !view.trusts(&old.origin))
}

fn may_replace(replaces: Replaces, old: &Record, new: &Record) -> bool {
    match replaces {
        Replaces::Nothing => false,
        Replaces::SameKind => old.kind == new.kind,
        Replaces::Any => true,
    }
}

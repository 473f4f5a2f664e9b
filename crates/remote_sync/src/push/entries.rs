//! What goes into an index.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

use proto::{ActionId, Output, OutputId, ScopeDigest, SigningKey, scopes};
use remote::index::{Entry, Index};
use store::archive::Archive;
use store::{Conditional, Kind, Record, Store, StoreError, View};

/// What builds used.
#[derive(Debug, Clone, Copy)]
pub enum Used<'a> {
    /// What was used since then; what the index before has of other jobs, used since then, stays in it.
    Since(SystemTime),
    /// What one build used. Where that is less than half of the index before, as of a build that failed, the index keeps what it had.
    By(&'a UsedByBuild),
    /// What one build used of Go's own packages. What the index before has stays in it as long as the remote store keeps things.
    StdBy(&'a UsedByBuild),
}

/// What one build used.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UsedByBuild {
    /// What it asked for and put, in the order of first use.
    pub actions: Vec<ActionId>,
    /// What it was given, or put: of other outputs of these actions it is not known what they are worth.
    pub outputs: HashSet<OutputId>,
    /// The conditions that held for it.
    pub conditions: HashSet<ScopeDigest>,
}

impl UsedByBuild {
    fn has(&self, record: &Record) -> bool {
        match &record.condition {
            None => self.outputs.contains(&record.output.id),
            Some(condition) => self.conditions.contains(&condition.digest),
        }
    }
}

/// What this machine has and what builds used of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalUse<'a> {
    pub(super) store: &'a Store,
    pub(super) view: &'a View,
    /// Who signs.
    pub(super) own: SigningKey,
    pub(super) used: Used<'a>,
    pub(super) conditional: Conditional,
    pub(super) indexes: bool,
    /// Seconds since 1970.
    pub(super) now: u64,
}

impl LocalUse<'_> {
    /// What was used and is as true on another machine, in the order of use. What another key signed, its owner puts.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let own = self.own;
        // Who names a layer vouches for it on this machine.
        let is_own = |record: &Record| record.origin.key.is_none_or(|key| key == own) && !record.origin.is_of_layer();
        let is_index = |record: &Record| self.indexes && record.kind == Kind::StoreIndex && !record.is_quarantined;
        let is_put =
            |record: &Record| (record.is_of_any_machine(self.conditional) || is_index(record)) && is_own(record);
        let mut used = match self.used {
            Used::Since(since) => {
                let mut used = self.store.list(self.view)?;
                used.retain(|(.., used)| *used >= since);
                used.sort_by_key(|(action, record, used)| (*used, *action, record.output.id));
                used
            }
            Used::By(build) | Used::StdBy(build) => {
                let mut used = self.store.list_of(self.view, &build.actions)?;
                used.retain(|(_, record, _)| build.has(record));
                used
            }
        };
        let is_of_part = |record: &Record| !matches!(self.used, Used::StdBy(_)) || self.is_std(record);
        used.retain(|(_, record, _)| is_put(record) && is_of_part(record));
        let entry = |(action, record, used): (_, Record, SystemTime)| Entry {
            action,
            output: record.output,
            condition: record.condition,
            cost_ms: u32::try_from(record.cost_ms).unwrap_or(u32::MAX),
            // Not now: what came from the remote store and was not used here grows older.
            time: used.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(self.now),
        };
        Ok(used.into_iter().map(entry).collect())
    }

    /// Whether it is of Go's own packages. An entry beside others (what a compiler printed) does not tell where it has no condition.
    fn is_std(&self, record: &Record) -> bool {
        match (&record.condition, record.kind) {
            (Some(condition), _) => [scopes::STD, scopes::ASM_STD].contains(&condition.scope),
            (None, Kind::StoreIndex) => true,
            (None, Kind::Archive) => self.archive(record.output).is_some_and(|archive| archive.is_std),
            (None, _) => false,
        }
    }

    fn archive(&self, output: Output) -> Option<Archive> {
        let file = File::open(self.store.object(output).ok()??).ok()?;
        Archive::read(&|buffer, at| file.read_exact_at(buffer, at))
    }

    /// What the index before has and is in quarantine here: it is not signed once more.
    pub(super) fn refused(&self, before: Option<&Index>) -> Result<HashSet<(ActionId, OutputId)>, StoreError> {
        let actions: Vec<_> = before.iter().flat_map(|index| &index.entries).map(|entry| entry.action).collect();
        let mut known = self.store.list_of(self.view, &actions)?;
        known.retain(|(_, record, _)| record.is_quarantined);
        Ok(known.into_iter().map(|(action, record, _)| (action, record.output.id)).collect())
    }
}

/// Keeps the entries that were used last, in their order.
pub(super) fn keep_newest(entries: &mut Vec<Entry>, most: usize) {
    let mut times: Vec<_> = entries.iter().map(|entry| entry.time).collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    if entries.len() > most
        && let Some(&oldest) = times.get(most.saturating_sub(1))
    {
        entries.retain(|entry| entry.time >= oldest);
        entries.truncate(most);
    }
}

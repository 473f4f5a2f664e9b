//! What the local store has of the entries of an index.

use std::collections::HashSet;

use proto::{ActionId, Condition};
use remote::index::Entry;
use store::{Record, Store, StoreError, View};

/// An entry, whatever its output is.
pub(crate) type EntryName = (ActionId, Option<Condition>);

/// See the file's header.
#[derive(Debug)]
pub(crate) struct LocalEntries {
    /// The actions of which the store has something.
    pub(crate) actions: HashSet<ActionId>,
    /// The entries that it has.
    pub(crate) here: HashSet<EntryName>,
}

impl LocalEntries {
    /// Looks the actions of these up.
    pub(crate) fn of<'a>(
        store: &Store,
        view: &View,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Result<Self, StoreError> {
        let wanted: HashSet<_> = entries.map(|entry| entry.action).collect();
        let all = store.list_of(view, &Vec::from_iter(wanted))?;
        let actions = all.iter().map(|(action, ..)| *action).collect();
        // An object that is to be verified is read for that.
        let is_here = |record: &Record| {
            view.trusts(&record.origin) && store.object(record.output).is_ok_and(|path| path.is_some())
        };
        let here = all.into_iter().filter(|(_, record, _)| is_here(record));
        Ok(Self { actions, here: here.map(|(action, record, _)| (action, record.condition)).collect() })
    }
}

//! Finds entries that are for builds of another user alone, so that `why` can say that an action was known and is not shared. It says
//! nothing of who that is, and a look counts as no use of the entry.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::ActionId;
use proto::profile::Session;
use proto::wire::Toolchain;
use store::{Namespace, Partition, Record, Store};

use super::rejections::Conditions;
use crate::limits::PROFILE_LOOKUPS;

/// The partitions of other users than the one of a build.
#[derive(Debug)]
pub(super) struct OtherUsers<'a> {
    store: &'a Store,
    own: Option<Partition>,
    /// When the build was registered.
    started: SystemTime,
    namespaces: HashMap<Toolchain, Vec<Namespace>>,
    /// How many more records are looked for.
    left: usize,
}

impl<'a> OtherUsers<'a> {
    /// `own` is the partition that the build reads beside the common one; `started` is in seconds since 1970.
    pub(super) fn new(store: &'a Store, own: Option<Partition>, started: u64) -> Self {
        let started = UNIX_EPOCH + Duration::from_secs(started);
        Self { store, own, started, namespaces: HashMap::new(), left: PROFILE_LOOKUPS }
    }

    /// Whether the build would have been served what it missed so many milliseconds after its start, had it been of another user.
    pub(super) fn have(
        &mut self,
        action: &ActionId,
        session: Option<&Session>,
        missed_ms: u32,
        conditions: &Conditions,
    ) -> bool {
        let Some(session) = session else { return false };
        let missed = self.started + Duration::from_millis(missed_ms.into());
        let holds = |record: &Record| match &record.condition {
            None => !session.only_conditional,
            Some(condition) => conditions.has_condition(condition),
        };
        let is_it = |record: &Record| record.time <= missed && holds(record) && self.store.is_there(record);
        let (store, own) = (self.store, self.own);
        let of_toolchain = || store.namespaces_of_other_users(own, &session.toolchain).unwrap_or_default();
        let namespaces = self.namespaces.entry(session.toolchain.clone()).or_insert_with(of_toolchain);
        for namespace in namespaces.iter() {
            let Some(left) = self.left.checked_sub(1) else { return false };
            self.left = left;
            if store.peek(namespace, action).is_ok_and(|records| records.iter().any(is_it)) {
                return true;
            }
        }
        false
    }
}

//! The notice that follows a private put: it is for other builds too.
//!
//! A put is answered before its condition is known. With whom what is shared, `share_policy.rs` decides.

use proto::control::Counts;
use proto::profile::PutOutcome;
use proto::{ActionId, Condition, OutputId, scopes};
use store::{Kind, Published, Put, Record, Replaces, StoreError};

use super::session_handler::{Handler, Kept};
use crate::builds::quota::DiskUsage;
use crate::clock;
use crate::mutex::lock;
use crate::session::share_policy::{self, Class, Entry, Proof, PutDecision};

impl Handler {
    /// What the build put privately for this action is for other builds too, where the condition holds. Nothing else is shared by
    /// it: neither what others put, nor another output.
    pub(crate) fn share(&self, action: &ActionId, output: &OutputId, condition: Option<&Condition>) {
        match self.own_put(action, output) {
            Ok(Some(own)) => self.share_own(action, &own, condition),
            Ok(None) => self.build.warn_rate_limited(format_args!(
                "output {output} is to be shared for action {action}, for which this build did not put it: ignored"
            )),
            Err(e) => self.warn(&e),
        }
    }

    /// What the build itself put privately, in this GOCACHE.
    fn own_put(&self, action: &ActionId, output: &OutputId) -> Result<Option<Record>, StoreError> {
        let own = self.build.dir.get(&self.client.gocache, action, clock::now())?;
        Ok(own.filter(|own| own.output.id == *output && own.origin.build == Some(self.build.id())))
    }

    fn share_own(&self, action: &ActionId, own: &Record, condition: Option<&Condition>) {
        let class = Class::under(condition.map(|condition| &condition.scope));
        let (kind, is_short) = (own.kind, share_policy::is_short(own.output.size));
        let partition = self.client.view.partition();
        let entry = Entry { kind, proof: Proof::None, class, is_short, partition };
        let replaces = match share_policy::put(&entry, self.rules) {
            PutDecision::Share(replaces) => replaces,
            PutDecision::ShareUnder(scope) if self.may_be_parted(action, own, scope) => return,
            PutDecision::ShareUnder(_) => Replaces::Nothing,
            // No entry of this build is for others, whatever its client finds.
            PutDecision::Private if partition.is_none() => return,
            PutDecision::Private => {
                let scope = condition.map_or("no condition", |condition| condition.scope.as_str());
                return self.build.warn_rate_limited(format_args!(
                    "action {action}: what is {kind:?} is not shared under {scope}: ignored"
                ));
            }
        };
        if !self.build.reserve(DiskUsage::of_put(&[0])) {
            return;
        }
        let (time, cost_ms, origin) = (own.time, own.cost_ms, &self.origin);
        let put = Put { action: *action, time, cost_ms, origin, condition, replaces };
        match self.store.share(&self.client.view, &put, (&self.build.dir, own), self.client.exposure) {
            Ok(Some(published)) => self.count_share(&put, own, &published),
            // Written to, or gone: the build itself finds that out too.
            Ok(None) => self.build.warn_rate_limited(format_args!(
                "action {action}: output {} is not whole any more: not shared",
                own.output.id
            )),
            Err(e) => {
                self.build.storage_health.record_failure(&e);
                self.warn(&e);
            }
        }
    }

    /// Whether another build could be given this without what was printed beside it, which cmd/go would take for nothing. Scope
    /// "vet" has a rule for that (lookup.rs); what vet found for a go command that is not clean has none.
    fn may_be_parted(&self, action: &ActionId, own: &Record, scope: &proto::Scope) -> bool {
        let printed = || self.build.dir.get(&self.client.gocache, &action.subkey("stdout"), clock::now());
        *scope == scopes::TREE_WITH_GO && own.kind == Kind::Content && !matches!(printed(), Ok(None))
    }

    fn count_share(&self, put: &Put<'_>, own: &Record, published: &Published) {
        self.compare(put, (&own.output.id, own.kind), published);
        let outcome = match published {
            Published::New | Published::Again | Published::Outranks(_) => PutOutcome::Shared,
            Published::Conflict(_) => PutOutcome::Conflict,
            Published::Quarantined => return, // it stays private
        };
        if let Some(condition) = put.condition {
            self.build.trace.has(condition);
        }
        if let Some(Kept { was_missed }) = lock(&self.kept).remove(&put.action) {
            // It was counted as private when it was put.
            let private = Counts { private_puts: 1, private_gets: was_missed.into(), ..Counts::default() };
            self.build.counters.subtract(&private);
        }
        if outcome == PutOutcome::Conflict {
            self.build.counters.add(&Counts { conflicts: 1, ..Counts::default() });
        }
        self.build.trace.share(&put.action, outcome, put.condition);
    }
}

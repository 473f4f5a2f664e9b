//! What the client decided: whether the condition of an offer holds, and what it used without asking.
//!
//! Nothing counts as a hit before the client has reported it.

use std::collections::HashMap;
use std::time::SystemTime;

use proto::control::Counts;
use proto::{ActionId, Condition, scopes};
use store::{BuildName, Kind, Origin, Record};

use super::offers::{Candidates, Offer, Offered, Served};
use super::session_handler::Handler;
use crate::builds::quota::DiskUsage;
use crate::clock;
use crate::mutex::lock;
use crate::telemetry::trace::event::GetOutcome;

impl Handler {
    /// The client uses a candidate of the offer that answered the get with this id, or none.
    pub(crate) fn decided(&self, id: u32, candidate: Option<u8>) {
        let Some(Offer { action, candidates }) = lock(&self.offers).close(id) else { return };
        let now = clock::now();
        let (taken, first) = match &candidates {
            Candidates::Listed(served) => (candidate.filter(|&n| n == 0).map(|_| *served), Some(served.output)),
            Candidates::Conditional(offered) => {
                let taken = candidate.and_then(|n| offered.get(usize::from(n)));
                match taken {
                    Some(taken) => self.note_own(&action, taken),
                    None => self.build.trace.rejected(&action, offered.iter().map(|one| &*one.condition)),
                }
                (taken.map(Served::from), offered.first().map(|first| first.output))
            }
        };
        if let Some(served) = taken {
            return self.count_hit(&action, served, GetOutcome::HitIf(served.output.id), now);
        }
        self.build.counters.add(&Counts { rejected: 1, ..Counts::default() });
        let outcome = first.map_or(GetOutcome::Miss, |first| GetOutcome::Rejected(first.id));
        self.count_miss(&action, outcome, now);
    }

    /// Notes an output that the build takes as its own in its GOCACHE, as cmd/go itself would keep it there. With what vet found
    /// goes what it printed: an eviction cannot part the two any more.
    fn note_own(&self, action: &ActionId, taken: &Offered) {
        self.build.trace.has(&taken.condition);
        let record = |output, kind| {
            // No build: it is nothing that this build has put, and may share.
            let origin = Origin { build: None, name: BuildName::default(), ..self.origin.clone() };
            Record { kind, output, time: taken.time, cost_ms: 0, origin, condition: None, is_quarantined: false }
        };
        let own = (*action, (*taken.condition).clone(), record(taken.output, taken.kind));
        let printed = taken.vet_output.as_deref();
        let printed = printed.map(|output| {
            let condition = Condition { scope: scopes::VET_OUTPUT, digest: taken.condition.digest };
            (action.subkey("stdout"), condition, record(*output, Kind::Content))
        });
        // What vet printed comes first: cmd/go takes facts without it for "it printed nothing".
        for (action, condition, record) in printed.into_iter().chain([own]) {
            // Others' entry is in use: it does not go before those that are not.
            if let Err(e) = self.store.prefer(&self.client.view, &action, &condition) {
                self.warn(&e);
            }
            if !self.build.reserve(DiskUsage::of_put(&[0])) {
                return;
            }
            let output = record.output.id;
            if let Err(e) = self.build.dir.note(&self.client.gocache, &action, record) {
                return self.warn(&e);
            }
            self.build.has_own(&action, &output);
            // What this go command was told, the next one asks for again: what is out of service is no answer to that. What goes out of
            // service from now on, forgets the note.
            if !self.is_in_service(&action, &condition, &output) {
                return self.build.dir.forget(&self.client.gocache, &action).unwrap_or_else(|e| self.warn(&e));
            }
        }
    }

    /// The session is over: offers that the client has not decided count as misses.
    pub(crate) fn finish(&self) {
        let now = clock::now();
        let undecided: Vec<_> = lock(&self.offers).drain().map(|offer| offer.action).collect();
        undecided.iter().for_each(|action| self.count_miss(action, GetOutcome::Miss, now));
    }

    /// The client used these answers of the build's table. They count as gets and hits; what the table never had does not count.
    pub(crate) fn used(&self, actions: &[ActionId]) {
        let now = clock::now();
        let in_table: HashMap<_, _> = self.build.dir.table_answers(actions).into_iter().collect();
        for action in actions {
            let known = in_table.get(action).map(Served::from);
            let Some(served) = known.or_else(|| self.was_in_table(action, now)) else { continue };
            self.note_used(action);
            self.build.counters.add(&Counts { gets: 1, ..Counts::default() });
            self.count_hit(action, served, GetOutcome::Hit(served.output.id), now);
        }
    }

    /// What the table had for an action before it was revoked. The entry itself is there as a rule: something else was taken out of
    /// service.
    fn was_in_table(&self, action: &ActionId, now: SystemTime) -> Option<Served> {
        let record = self.store.get(&self.client.view, action, now).ok()?.plain?;
        self.build.dir.has_link(&record.output.id).then(|| Served::from(&record))
    }
}

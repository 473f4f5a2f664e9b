//! Gets: the reply that follows from what is known of an action (lookup.rs), and how it counts.
//!
//! Offers that the client decides later are counted in `offer_decisions.rs`.

use std::time::{Instant, SystemTime};

use proto::ActionId;
use proto::control::Counts;
use proto::wire::{Candidate, Reply};
use store::Record;

use super::lookup::{self, Effort, Lookup};
use super::offers::{Candidates, Offer, Offered, Served};
use super::session_handler::Handler;
use crate::clock;
use crate::mutex::lock;
use crate::telemetry::trace::event::GetOutcome;

impl Handler {
    /// A get: a hit whose output the build can read now, an offer under a condition, or a miss. An offer counts as a miss until the
    /// client has reported that the condition holds. `None`: it takes more effort than this, and nothing was done yet.
    pub(in crate::session) fn get(&self, id: u32, action: &ActionId, effort: Effort) -> Option<Reply> {
        let now = clock::now();
        let found = self.find(action, now, effort);
        if matches!(found, Lookup::Unverified(_) | Lookup::OnItsWay) {
            return None;
        }
        self.build.counters.add(&Counts { gets: 1, ..Counts::default() });
        Some(self.reply(id, action, found, now))
    }

    fn reply(&self, id: u32, action: &ActionId, found: Lookup, now: SystemTime) -> Reply {
        if self.withholds(action, &found) {
            self.count_miss(action, GetOutcome::Withheld, now);
            return Reply::Miss;
        }
        let (candidates, reply) = match found {
            Lookup::Hit(record) => {
                self.count_hit(action, Served::from(&record), GetOutcome::Hit(record.output.id), now);
                return Reply::Hit { output: record.output, time: record.time.into() };
            }
            Lookup::Nothing | Lookup::Unverified(_) | Lookup::OnItsWay => {
                self.count_miss(action, GetOutcome::Miss, now);
                return Reply::Miss;
            }
            Lookup::Quarantined => {
                self.count_miss(action, GetOutcome::Quarantined, now);
                return Reply::Miss;
            }
            Lookup::HitIfListed(record, inputs) => {
                let reply = Reply::HitIf { inputs, output: record.output, time: record.time.into() };
                (Candidates::Listed(Served::from(&record)), reply)
            }
            Lookup::HitIfSame(offered) => {
                let candidate = |of: &lookup::Candidate| {
                    let Record { output, time, .. } = of.record;
                    Candidate { condition: of.condition.clone(), output, time: time.into() }
                };
                let candidates = offered.iter().map(candidate).collect();
                let offer = |of: lookup::Candidate| {
                    Offered::new(&of.record, of.condition, of.vet_output.map(|printed| printed.output))
                };
                let offered = offered.into_iter().map(offer).collect();
                (Candidates::Conditional(offered), Reply::Conditional { candidates })
            }
        };
        if lock(&self.offers).open(id, Offer { action: *action, candidates }) {
            return reply;
        }
        self.count_miss(action, GetOutcome::Miss, now);
        Reply::Miss
    }

    /// Counts a hit, and traces it.
    pub(super) fn count_hit(&self, action: &ActionId, served: Served, outcome: GetOutcome, now: SystemTime) {
        self.build.trace.get(self.client.session, action, outcome, now);
        let mut counts = Counts { hits: 1, ..Counts::default() };
        if self.build.is_first(action) {
            counts.saved_milliseconds = served.cost_ms;
            counts.packages_needed = served.is_package.into();
        } else {
            counts.repeated_gets = 1;
        }
        if self.build.is_first_output(&served.output.id) {
            counts.bytes_served = served.output.size;
        }
        self.build.counters.add(&counts);
    }

    /// Traces a miss, from which the time to its put is measured.
    pub(super) fn count_miss(&self, action: &ActionId, outcome: GetOutcome, now: SystemTime) {
        self.build.trace.get(self.client.session, action, outcome, now);
        lock(&self.missed).insert(*action, Instant::now());
    }
}

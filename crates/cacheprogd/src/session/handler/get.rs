//! Gets: the reply that follows from what is known of an action (lookup.rs), and how it counts.
//!
//! Offers that the client decides later are counted in `offer_decisions.rs`.

use std::time::{Instant, SystemTime};

use proto::ActionId;
use proto::control::Counts;
use proto::wire::{Candidate, Reply};
use store::Record;

use super::lookup::Lookup;
use super::offers::{Offer, Served};
use super::session_handler::Handler;
use crate::clock;
use crate::mutex::lock;
use crate::telemetry::trace::event::GetOutcome;

impl Handler {
    /// A get: a hit whose output the build can read now, an offer under a condition, or a miss. An offer counts as a miss until the
    /// client has reported that the condition holds. `None`: an object of more than `verify_most` bytes must be verified first, and
    /// nothing was done yet.
    pub(crate) fn get(&self, id: u32, action: &ActionId, verify_most: u64) -> Option<Reply> {
        let now = clock::now();
        let found = self.find(action, now, verify_most);
        if matches!(found, Lookup::Unverified(_)) {
            return None;
        }
        self.build.counters.add(&Counts { gets: 1, ..Counts::default() });
        Some(self.reply(id, action, found, now))
    }

    fn reply(&self, id: u32, action: &ActionId, found: Lookup, now: SystemTime) -> Reply {
        let is_hit = matches!(found, Lookup::Hit(_));
        let (candidates, reply) = match found {
            Lookup::Hit(record) => {
                let (served, time) = (Served::from(&record), record.time.into());
                let reply = Reply::Hit { output: record.output, time };
                if !self.client.keeps_its_own {
                    self.count_hit(action, served, GetOutcome::Hit(record.output.id), now);
                    return reply;
                }
                (vec![served], reply) // it may not admit what others share
            }
            // It was put before and is not here: the client keeps it by itself.
            Lookup::Nothing if self.build.has_counted(action) => {
                self.build.counters.add(&Counts { private_gets: 1, ..Counts::default() });
                self.build.trace.get(self.client.session, action, GetOutcome::Miss, now);
                return Reply::Miss;
            }
            Lookup::Nothing | Lookup::Unverified(_) => {
                self.count_miss(action, GetOutcome::Miss, now);
                return Reply::Miss;
            }
            Lookup::HitIfListed(record, inputs) => {
                let reply = Reply::HitIf { inputs, output: record.output, time: record.time.into() };
                (vec![Served::from(&record)], reply)
            }
            Lookup::HitIfSame(scope, offered) => {
                let candidate = |(digest, Record { output, time, .. }): &(_, Record)| Candidate {
                    digest: *digest,
                    output: *output,
                    time: (*time).into(),
                };
                let candidates = offered.iter().map(candidate).collect();
                let served = offered.iter().map(|(_, record)| Served::from(record)).collect();
                (served, Reply::Conditional { scope, candidates })
            }
        };
        if lock(&self.offers).open(id, Offer { action: *action, is_hit, candidates }) {
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

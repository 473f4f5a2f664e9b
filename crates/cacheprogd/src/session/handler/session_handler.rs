//! Gets and puts of one session, without sockets: put.rs has the puts. With whom what is shared, policy.rs says.

mod find;
mod offers;
mod put;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Instant, SystemTime};

use proto::control::Counts;
use proto::wire::{Candidate, Reply};
use proto::{ActionId, limits};
use store::{BoundedMap, Exposure, Origin, Record, Store, View};

use crate::build::Build;
use crate::clock;
use crate::goroot::Goroot;
use crate::policy::Mode;
use crate::sync::lock;
use crate::trace::Came;

use find::Known;
use offers::{Given, Offer, Offers};

/// One session's view of the cache. Two threads work with it: the session's own, and one for gets whose objects have to be read
/// first (aside.rs).
#[derive(Debug)]
pub(crate) struct Handler {
    store: Arc<Store>,
    build: Arc<Build>,
    client: Client,
    /// Of what it puts.
    origin: Origin,
    /// Since when Go computes each missed action: until its put.
    missed: Mutex<BoundedMap<Instant>>,
    /// What the client has not decided yet.
    offers: Mutex<Offers>,
    mode: Mode,
    /// The client's toolchain, looked at when there is an index of it.
    goroot: OnceLock<Option<Goroot>>,
    /// Taken out while a body is received: by the session's own thread.
    scratch: Mutex<Vec<u8>>,
}

/// Whom a session serves.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) view: View,
    pub(crate) exposure: Exposure,
    /// Its number in the build's trace.
    pub(crate) session: u16,
    /// Where its toolchain is, if it reads that toolchain's sources and no others in their stead.
    pub(crate) goroot: Option<String>,
    /// Whether it keeps by itself what is not for others.
    pub(crate) keeps_its_own: bool,
}

impl Handler {
    pub(crate) fn new(store: Arc<Store>, build: Arc<Build>, client: Client, shares_tests: bool) -> Self {
        let origin = client.view.origin(Some(build.id()), build.name());
        let mode = Mode { shares_tests, keeps_its_own: client.keeps_its_own };
        let (missed, offers, scratch) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { store, build, client, origin, missed, offers, mode, goroot: OnceLock::new(), scratch }
    }

    /// A get: a hit whose output the build can see now, an offer under a condition, or a miss. An offer counts as a miss until the
    /// client has said that it holds. `None`: an object of more than `most` bytes has to be read first, and nothing was done yet.
    pub(crate) fn get(&self, id: u32, action: &ActionId, most: u64) -> Option<Reply> {
        let now = clock::now();
        let known = self.find(action, now, most);
        if matches!(known, Known::Unread(_)) {
            return None;
        }
        self.build.counters.add(&Counts { gets: 1, ..Counts::default() });
        Some(self.reply(id, action, known, now))
    }

    fn reply(&self, id: u32, action: &ActionId, known: Known, now: SystemTime) -> Reply {
        let is_hit = matches!(known, Known::Hit(_));
        let (candidates, reply) = match known {
            Known::Hit(record) => {
                let (given, time) = (Given::from(&record), record.time.into());
                let reply = Reply::Hit { output: record.output.id, size: record.output.size, time };
                if !self.client.keeps_its_own {
                    self.served(action, given, Came::Hit(given.output.id), now);
                    return reply;
                }
                (vec![given], reply) // it may not admit what others share
            }
            // It was put before and is not here: the client keeps it by itself.
            Known::Nothing if self.build.had(action) => {
                self.build.counters.add(&Counts { private_gets: 1, ..Counts::default() });
                self.build.trace.get(self.client.session, action, Came::Miss, now);
                return Reply::Miss;
            }
            Known::Nothing | Known::Unread(_) => {
                self.missed(action, Came::Miss, now);
                return Reply::Miss;
            }
            Known::HitIfListed(record, inputs) => {
                let reply = Reply::HitIf {
                    inputs,
                    output: record.output.id,
                    size: record.output.size,
                    time: record.time.into(),
                };
                (vec![Given::from(&record)], reply)
            }
            Known::HitIfSame(scope, offered) => {
                let candidate = |(digest, Record { output, time, .. }): &(_, Record)| Candidate {
                    digest: *digest,
                    output: output.id,
                    size: output.size,
                    time: (*time).into(),
                };
                let candidates = offered.iter().map(candidate).collect();
                let given = offered.iter().map(|(_, record)| Given::from(record)).collect();
                (given, Reply::Conditional { scope, candidates })
            }
        };
        if lock(&self.offers).open(id, Offer { action: *action, is_hit, candidates }) {
            return reply;
        }
        self.missed(action, Came::Miss, now);
        Reply::Miss
    }

    fn served(&self, action: &ActionId, given: Given, came: Came, now: SystemTime) {
        self.build.trace.get(self.client.session, action, came, now);
        let mut counts = Counts { hits: 1, ..Counts::default() };
        if self.build.is_first(action) {
            counts.saved_milliseconds = given.cost_ms;
            counts.packages_needed = given.is_package.into();
        } else {
            counts.repeated_gets = 1;
        }
        if self.build.is_first_output(&given.output.id) {
            counts.bytes_served = given.output.size;
        }
        self.build.counters.add(&counts);
    }

    fn missed(&self, action: &ActionId, came: Came, now: SystemTime) {
        self.build.trace.get(self.client.session, action, came, now);
        lock(&self.missed).insert(*action, Instant::now());
    }

    /// What the build did so far.
    pub(crate) fn summary(&self) -> Reply {
        Reply::Summary(self.build.counters.counts())
    }

    /// A client tells what it did while there was no daemon for it.
    pub(crate) fn was_alone(&self, unanswered: u64, spooled: u64) {
        // It may claim what it likes; no build asks for more.
        let [unanswered, spooled] = [unanswered, spooled].map(|claimed| claimed.min(1 << 24));
        self.build.counters.add(&Counts { unanswered, spooled, ..Counts::default() });
    }
}

fn is_short(size: u64) -> bool {
    size <= limits::TEST_BODY
}

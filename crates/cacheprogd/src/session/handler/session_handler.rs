//! One session's view of the cache: what it may read and write, and what is under way. Two threads use it: the session's own, and
//! one for gets whose objects must be verified first (`slow_gets.rs`).
//!
//! The requests are in get.rs, `offer_decisions.rs` and put.rs.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use proto::control::Counts;
use proto::wire::Reply;
use store::{BoundedMap, Exposure, Origin, Store, View};

use super::offers::Offers;
use crate::builds::build::Build;
use crate::limits::CLAIMED_REQUESTS;
use crate::session::share_policy::SharingRules;
use crate::session::toolchain_index::Goroot;

/// A session's view of the cache.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(super) store: Arc<Store>,
    pub(super) build: Arc<Build>,
    pub(super) client: Client,
    /// The origin of what it puts.
    pub(super) origin: Origin,
    /// When each action was missed that Go computes now: until its put.
    pub(super) missed: Mutex<BoundedMap<Instant>>,
    /// Offers that the client has not decided yet.
    pub(super) offers: Mutex<Offers>,
    pub(super) rules: SharingRules,
    /// The client's toolchain, opened when there is an index of it.
    pub(super) goroot: OnceLock<Option<Goroot>>,
    /// Taken out while a body is received: by the session's own thread.
    pub(super) scratch: Mutex<Vec<u8>>,
}

/// The client of a session.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) view: View,
    pub(crate) exposure: Exposure,
    /// Its number in the build's trace.
    pub(crate) session: u16,
    /// Where its toolchain is, if it reads that toolchain's sources and no others in their place.
    pub(crate) goroot: Option<String>,
    /// Whether it keeps by itself what is not shared.
    pub(crate) keeps_its_own: bool,
}

impl Handler {
    pub(crate) fn new(store: Arc<Store>, build: Arc<Build>, client: Client, shares_tests: bool) -> Self {
        let origin = client.view.origin(Some(build.id()), build.name());
        let rules = SharingRules { shares_tests, keeps_its_own: client.keeps_its_own };
        let (missed, offers, scratch) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { store, build, client, origin, missed, offers, rules, goroot: OnceLock::new(), scratch }
    }

    /// What the build did so far.
    pub(crate) fn summary(&self) -> Reply {
        Reply::Summary(self.build.counters.counts())
    }

    /// A client reports what it did while it had no daemon.
    pub(crate) fn without_daemon(&self, unanswered: u64, spooled: u64) {
        let [unanswered, spooled] = [unanswered, spooled].map(|claimed| claimed.min(CLAIMED_REQUESTS));
        self.build.counters.add(&Counts { unanswered, spooled, ..Counts::default() });
    }
}

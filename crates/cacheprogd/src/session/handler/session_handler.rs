//! One session's view of the cache: what it may read and write, and what is under way. Two threads use it: the session's own, and
//! one for gets whose objects must be verified first (`slow_gets.rs`).
//!
//! The requests are in get.rs, `compare_outputs.rs`, `offer_decisions.rs`, put.rs and share.rs.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use proto::control::Counts;
use proto::wire::Reply;
use store::{BoundedMap, Exposure, Origin, Store, View};

use super::offers::Offers;
use crate::builds::build::Build;
use crate::context::Context;
use crate::layers::Layers;
use crate::limits::CLAIMED_REQUESTS;
use crate::remote::prefetch::Prefetch;
use crate::session::share_policy::SharingRules;
use crate::session::toolchain_index::Goroot;
use crate::trust::ShadowVerification;

/// A session's view of the cache.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(super) store: Arc<Store>,
    pub(super) build: Arc<Build>,
    pub(super) client: Client,
    /// What it shares with all users: what layers have is for these.
    pub(super) common: View,
    /// The origin of what it puts.
    pub(super) origin: Origin,
    /// When each action was missed that Go computes now: until its put.
    pub(super) missed: Mutex<BoundedMap<Instant>>,
    /// Offers that the client has not decided yet.
    pub(super) offers: Mutex<Offers>,
    pub(super) verification: Arc<ShadowVerification>,
    pub(super) layers: Arc<Layers>,
    /// What is fetched for its toolchain.
    pub(super) prefetch: Option<Arc<Prefetch>>,
    /// What it kept for the build that no notice has shared yet.
    pub(super) kept: Mutex<BoundedMap<Kept>>,
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
    /// The GOCACHE for which it asks: what is private to the build is private to that too.
    pub(crate) gocache: String,
    /// Whether it takes nothing but what has a condition.
    pub(crate) only_conditional: bool,
    /// Whether it is a go command, and no module proxy.
    pub(crate) is_of_go: bool,
}

/// What is remembered of a put that was kept for the build alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// It was asked for before: that get counts as one that no other build could have served.
    pub(super) was_missed: bool,
}

impl Handler {
    pub(crate) fn new(context: &Context, build: Arc<Build>, client: Client, prefetch: Option<Arc<Prefetch>>) -> Self {
        let rules = SharingRules {
            shares_tests: context.shares_tests,
            only_conditional: client.only_conditional,
            witnesses: context.witnesses,
        };
        Self {
            store: context.store.clone(),
            origin: client.view.origin(Some(build.id()), build.name()),
            common: client.view.of_all_users(),
            build,
            client,
            missed: Mutex::default(),
            offers: Mutex::default(),
            verification: context.verification.clone(),
            layers: context.layers.clone(),
            prefetch,
            kept: Mutex::default(),
            rules,
            goroot: OnceLock::new(),
            scratch: Mutex::default(),
        }
    }

    pub(crate) fn build(&self) -> &Build {
        &self.build
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

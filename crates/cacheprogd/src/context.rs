//! What every connection of the daemon works on: the store, the live builds and what is counted.
//!
//! Shared by the accept loop and by all threads; each part locks for itself. serve/ makes it and control/, session/ and http/ use
//! it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use settings::Witnesses;
use store::{Limits, Store};

use crate::builds::registry::Registry;
use crate::layers::Layers;
use crate::maintenance::evictor::LatestEviction;
use crate::remote::tier::Tier;
use crate::telemetry::latency::Latency;
use crate::telemetry::other_versions::OtherVersions;
use crate::telemetry::usage_recorder::UsageRecorder;
use crate::trust::ShadowVerification;

/// The daemon's shared parts.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) store: Arc<Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) started: Instant,
    /// Wakes the accept loop: there is a new socket to wait on.
    pub(crate) wake: OwnedFd,
    /// Whether test results are shared between builds.
    pub(crate) shares_tests: bool,
    /// See [`settings::Trust::witnesses`].
    pub(crate) witnesses: Witnesses,
    /// The limits that the store is kept within.
    pub(crate) limits: Limits,
    pub(crate) eviction: LatestEviction,
    /// What the cache served, by time.
    pub(crate) usage: UsageRecorder,
    /// Which hits are withheld, and what differed.
    pub(crate) verification: Arc<ShadowVerification>,
    /// From which the store takes what it has not.
    pub(crate) layers: Arc<Layers>,
    /// The store that machines share, if there is one.
    pub(crate) remote: Option<Arc<Tier>>,
    /// How long requests take.
    pub(crate) latency: Latency,
    /// Programs of another version.
    pub(crate) other_versions: OtherVersions,
}

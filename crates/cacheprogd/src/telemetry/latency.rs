//! How long requests took, from frame to reply, in the buckets of a histogram.
//!
//! Sessions observe; http/metrics.rs shows it.

use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use proto::wire::Reply;

/// Seconds: from gets of a few microseconds to puts of large archives on a slow disk.
const BUCKETS: [f64; 12] = [5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 0.25, 2.5];

/// The kind of request.
pub(crate) type Labels = [(&'static str, &'static str); 1];

/// How long the requests of all builds took.
#[derive(Debug)]
pub(crate) struct Latency {
    pub(crate) all: Family<Labels, Histogram, fn() -> Histogram>,
    hit: Histogram,
    miss: Histogram,
    put: Histogram,
}

impl Default for Latency {
    fn default() -> Self {
        let all: Family<Labels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let of = |kind| all.get_or_create(&[("request", kind)]).clone();
        Self { hit: of("hit"), miss: of("miss"), put: of("put"), all: all.clone() }
    }
}

impl Latency {
    /// A request had this reply after so long.
    pub(crate) fn observe(&self, reply: &Reply, duration: Duration) {
        let kind = match reply {
            Reply::Hit { .. } | Reply::HitIf { .. } | Reply::Conditional { .. } => &self.hit,
            Reply::Miss => &self.miss,
            Reply::Stored { .. } | Reply::Refused(_) => &self.put,
            Reply::Summary(_) | Reply::Why(_) => return,
        };
        kind.observe(duration.as_secs_f64());
    }
}

//! The daemon's status, and what everyone may know of it: nothing that leads to a live build.
//!
//! Its JSON is proto's (control.rs); how it is worded, the command line and the page decide.

use proto::control::{Builds, Status, Trouble};
use store::Disk;

use crate::clock;
use crate::context::Context;
use crate::mutex::lock;

/// The whole status, for root and the daemon's own user.
pub(crate) fn status(context: &Context) -> Status {
    context.store.counters().reload(); // another process may have evicted or purged
    let totals = context.store.counters().totals();
    let disk = Disk::of(context.store.root()).ok();
    context.usage.record(context.registry.totals(), clock::now());
    Status {
        daemon: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: context.started.elapsed().as_secs(),
        entries: totals.entries,
        objects: totals.objects,
        bytes: totals.bytes,
        max_bytes: disk.and_then(|disk| context.limits.max_size(disk)),
        free_bytes: disk.map_or(0, |disk| disk.free),
        min_free_bytes: disk.map_or(0, |disk| context.limits.min_free(disk)),
        eviction: *lock(&context.eviction),
        trouble: context.registry.trouble(),
        usage: context.usage.usage(clock::now()),
        verification: context.verification.status(),
        layers: context.layers.status(),
        remote: context.remote.as_ref().map(|remote| remote.status()),
        other_versions: context.other_versions.all(),
        builds: context.registry.builds(),
    }
}

/// The status for everyone.
pub(crate) fn public_status(context: &Context) -> Status {
    let mut status = status(context);
    redact_status(&mut status);
    status
}

/// Removes from a status what leads to a live build.
pub(super) fn redact_status(status: &mut Status) {
    status.trouble.iter_mut().for_each(remove_path);
    redact_builds(&mut status.builds);
}

/// Removes the ids of builds: a reader who knows one finds the build's socket, for as long as that is there.
pub(super) fn redact_builds(builds: &mut Builds) {
    builds.live.iter_mut().chain(&mut builds.ended).for_each(|build| build.id.clear());
}

/// Keeps what went wrong and removes where: that may be in the directory of a live build.
fn remove_path(trouble: &mut Trouble) {
    trouble.latest = trouble.latest.rsplit(": ").next().unwrap_or_default().to_owned();
}

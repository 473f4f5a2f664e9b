//! What the daemon counts, in the text that Prometheus reads (OpenMetrics 1.0). docs/reference/metrics.md lists the names.
//!
//! Counting is done elsewhere.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use proto::control::{Counts, RemoteStatus, Status};

use crate::telemetry::latency::Latency;

/// What an OpenMetrics text is called in HTTP.
pub(crate) const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole text. `ended` builds and what all builds did are since the start of the daemon.
pub(crate) fn text(status: &Status, (ended, counts): (u64, Counts), latency: &Latency) -> String {
    let mut all = Registry::with_prefix("gocacheprog");
    all.register("daemon", "The daemon", Info::new([("version", status.daemon.clone())]));
    requests(&mut all, &counts);
    counter(&mut all, "builds", "Builds that ended", ended);
    let live = &status.builds.live;
    gauge(&mut all, "live_builds", "Builds that can ask for something now", live.len() as u64);
    gauge(&mut all, "sessions", "Go commands that are connected", live.iter().map(|build| build.sessions).sum());
    gauge(&mut all, "entries", "Actions with a known output", status.entries);
    gauge(&mut all, "objects", "Distinct outputs", status.objects);
    bytes(&mut all, "store", "What entries and objects take on the disk", status.bytes);
    if let Some(most) = status.max_bytes {
        bytes(&mut all, "store_limit", "What they may take", most);
    }
    bytes(&mut all, "disk_free", "Free space on the disk", status.free_bytes);
    bytes(&mut all, "disk_reserve", "Free space that is to be left", status.min_free_bytes);
    gauge(&mut all, "storing_fails", "1 while puts cannot be stored", u64::from(status.trouble.is_some()));
    counter(
        &mut all,
        "compared_outputs",
        "Outputs that were computed again to be compared",
        status.verification.compared,
    );
    counter(&mut all, "differing_outputs", "Of these, those that were not the same", status.verification.differing);
    let copied = status.layers.iter().map(|layer| layer.copied).sum();
    counter(&mut all, "layer_entries", "Entries that were copied from layers", copied);
    if let Some(tier) = &status.remote {
        remote(&mut all, tier);
    }
    seconds(&mut all, "up", "Since the daemon started", status.uptime_seconds);
    let name = "request_duration";
    all.register_with_unit(name, "From the request's frame to its reply", Unit::Seconds, latency.all.clone());
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _infallible = encode(&mut text, &all);
    text
}

fn requests(all: &mut Registry, counts: &Counts) {
    let Counts { gets, hits, puts, private_puts, conflicts, failed_puts, bytes_put, bytes_served, .. } = *counts;
    for (name, help, value) in [
        ("packages_needed", "Compiled packages that builds were served or put", counts.packages_needed),
        ("packages_compiled", "Packages that builds compiled themselves", counts.packages_compiled),
        ("gets", "Gets asked", gets),
        ("hits", "Gets answered with an output", hits),
        ("repeated_gets", "Hits on what the build was served or had put before", counts.repeated_gets),
        ("rejected", "Offers that clients did not take", counts.rejected),
        ("private_gets", "Gets that missed what no build shares", counts.private_gets),
        ("puts", "Puts received whole", puts),
        ("private_puts", "Puts kept for their build alone", private_puts),
        ("conflicts", "Puts whose action had another output", conflicts),
        ("failed_puts", "Puts refused or broken off", failed_puts),
        ("unanswered", "Requests that clients answered without the daemon", counts.unanswered),
        ("spooled", "Puts that clients kept until the daemon was back", counts.spooled),
    ] {
        counter(all, name, help, value);
    }
    counted_bytes(all, "put", "Outputs that were put", bytes_put);
    counted_bytes(all, "served", "Outputs that were served, each once a build", bytes_served);
    let saved: Counter<f64, AtomicU64> = Counter::default();
    saved.inc_by(Duration::from_millis(counts.saved_milliseconds).as_secs_f64());
    all.register_with_unit("saved_compile_time", "Compile time not spent", Unit::Seconds, saved);
}

fn remote(all: &mut Registry, tier: &RemoteStatus) {
    counter(all, "remote_requests", "Requests for objects of the remote store", tier.requests);
    counter(all, "remote_fetched_entries", "Entries that came from the remote store", tier.fetched);
    counted_bytes(all, "remote_fetched", "What was fetched for them", tier.fetched_bytes);
    counted_bytes(all, "remote_put", "What was put into the remote store", tier.put_bytes);
    counter(all, "remote_uploads", "Builds of which a new index was put", tier.uploads);
    gauge(all, "remote_waiting_uploads", "Names of builds of which something waits to be put", tier.waiting);
    gauge(
        all,
        "remote_fails",
        "1 while the last prefetch or upload failed, or the bytes of the day are used up",
        u64::from(tier.trouble.is_some()),
    );
}

fn counted(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}

fn counter(all: &mut Registry, name: &str, help: &str, value: u64) {
    all.register(name, help, counted(value));
}

fn counted_bytes(all: &mut Registry, name: &str, help: &str, value: u64) {
    all.register_with_unit(name, help, Unit::Bytes, counted(value));
}

fn filled(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}

fn gauge(all: &mut Registry, name: &str, help: &str, value: u64) {
    all.register(name, help, filled(value));
}

fn bytes(all: &mut Registry, name: &str, help: &str, value: u64) {
    all.register_with_unit(name, help, Unit::Bytes, filled(value));
}

fn seconds(all: &mut Registry, name: &str, help: &str, value: u64) {
    all.register_with_unit(name, help, Unit::Seconds, filled(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    use proto::wire::Reply;

    #[test]
    fn the_text_has_each_family_once_and_ends_with_eof() {
        let latency = Latency::default();
        latency.observe(&Reply::Miss, Duration::from_micros(7));
        let counts = Counts { packages_compiled: 5, gets: 3, saved_milliseconds: 1500, ..Counts::default() };
        let remote =
            RemoteStatus { requests: 9, fetched_bytes: 10, trouble: Some("refused".into()), ..RemoteStatus::default() };
        let status = Status { remote: Some(remote), ..Status::default() };
        let text = text(&status, (2, counts), &latency);
        for line in [
            "gocacheprog_packages_compiled_total 5",
            "gocacheprog_gets_total 3",
            "gocacheprog_builds_total 2",
            "gocacheprog_saved_compile_time_seconds_total 1.5",
            "gocacheprog_store_bytes 0",
            "gocacheprog_remote_requests_total 9",
            "gocacheprog_remote_fetched_bytes_total 10",
            "gocacheprog_remote_fails 1",
            "gocacheprog_request_duration_seconds_bucket{le=\"0.00001\",request=\"miss\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        let mut types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        let all = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), all);
        assert!(text.ends_with("# EOF\n"));
    }
}

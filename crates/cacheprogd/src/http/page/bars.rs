//! Rows of a label, a bar and words: what the cache gave, live builds, the disk, causes of misses. Pure.

use std::time::Duration;

use miss_causes::{Group, cause_text, without_version};
use proto::control::{BuildStatus, Builds, Span, Status, Usage};
use proto::figures::{bytes, duration, hit_rate, number, packages, percent, saved, seconds};
use serde::Serialize;

/// A row.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Bar {
    label: String,
    /// The id of a build, where the row is one.
    id: String,
    text: String,
    /// How much of the bar is filled, from 0 to 1; without a number there is no bar.
    share: Option<f64>,
    is_bad: bool,
    /// Something to read below it.
    note: String,
}

/// A part of a whole, to be drawn; none of nothing.
fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| (part as f64 / of as f64).min(1.0))
}

/// What the cache gave in a span of time.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Given {
    when: &'static str,
    saved: String,
    /// The packages that came from the cache, and their share.
    packages: String,
    share: Option<f64>,
    text: String,
}

/// The longest span first.
pub(crate) fn given(usage: &Usage) -> [Given; 3] {
    let spans = [(&usage.month, "in 30 days"), (&usage.day, "in the last day"), (&usage.hour, "in the last hour")];
    spans.map(|(Span { builds, counts, .. }, when)| {
        let needed = counts.packages_needed;
        let served = needed.saturating_sub(counts.packages_compiled);
        let (all, part) = (number(needed), percent(served, needed));
        Given {
            when,
            saved: saved(counts),
            packages: format!("{} of {all} packages from the cache ({part})", number(served)),
            share: share(served, needed),
            text: format!(
                "{} builds, {} of shareable requests hit, {} served",
                number(*builds),
                hit_rate(counts),
                bytes(counts.bytes_served)
            ),
        }
    })
}

/// The live builds, each as far as the last one of its name went.
pub(crate) fn live(builds: &Builds, now: u64, most: usize) -> Vec<Bar> {
    let row = |build: &BuildStatus| {
        let (counts, last) = (&build.counts, last_of_its_name(build, &builds.ended));
        let gets = last.map_or(0, |last| last.counts.gets);
        Bar {
            label: build.name.clone(),
            id: build.short.clone(),
            text: packages(counts.packages_compiled, counts.packages_needed),
            share: share(counts.gets, gets),
            note: format!(
                "for {}, {} go commands, {} saved; {}",
                seconds(now.saturating_sub(build.started)),
                build.sessions,
                saved(counts),
                progress(counts.gets, gets)
            ),
            ..Bar::default()
        }
    };
    builds.live.iter().take(most).map(row).collect()
}

fn progress(gets: u64, of_the_last: u64) -> String {
    match of_the_last {
        0 => "no earlier build of this name to compare with".to_owned(),
        last => format!("{} of the requests of the last build of this name", percent(gets.min(last), last)),
    }
}

fn last_of_its_name<'a>(build: &BuildStatus, ended: &'a [BuildStatus]) -> Option<&'a BuildStatus> {
    let name = without_version(&build.name);
    ended.iter().find(|last| last.counts.gets > 0 && without_version(&last.name) == name)
}

/// What the cache takes, and what is free on its disk, which has `size` bytes.
pub(crate) fn storage(status: &Status, size: u64) -> Vec<Bar> {
    let most =
        status.max_bytes.map_or_else(|| "without a limit".to_owned(), |most| format!("of at most {}", bytes(most)));
    let cache = Bar {
        label: "the cache".to_owned(),
        text: format!("{} {most}", bytes(status.bytes)),
        share: status.max_bytes.and_then(|most| share(status.bytes, most)),
        note: format!("{} entries, {} outputs", number(status.entries), number(status.objects)),
        ..Bar::default()
    };
    let used = size.saturating_sub(status.free_bytes);
    let disk = Bar {
        label: "the disk".to_owned(),
        text: format!("{} free of {}", bytes(status.free_bytes), bytes(size)),
        share: share(used, size),
        is_bad: status.free_bytes < status.min_free_bytes,
        note: format!("at least {} must stay free: entries are evicted for that", bytes(status.min_free_bytes)),
        ..Bar::default()
    };
    vec![cache, disk]
}

/// Causes of misses, the most expensive one first.
pub(crate) fn causes(by_cause: &[Group], most: usize) -> Vec<Bar> {
    let whole = by_cause.iter().map(|group| group.cost_ms).sum();
    let row = |group: &Group| Bar {
        label: cause_text(group.cause).to_owned(),
        text: format!(
            "{} misses, {} of compiling",
            number(group.misses),
            duration(Duration::from_millis(group.cost_ms))
        ),
        share: share(group.cost_ms, whole),
        note: group.detail.clone(),
        ..Bar::default()
    };
    by_cause.iter().take(most).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(name: &str, gets: u64) -> BuildStatus {
        let mut build = BuildStatus { name: name.to_owned(), ..BuildStatus::default() };
        build.counts.gets = gets;
        build
    }

    #[test]
    fn a_live_build_is_as_far_as_the_last_one_of_its_name_went() {
        let builds = Builds {
            live: vec![build("caddy-2.10", 50), build("caddy-3", 999), build("new-1", 5)],
            ended: vec![build("caddy-2.9", 200), build("hugo-1", 7)],
        };
        let shares: Vec<_> = live(&builds, 0, 9).iter().map(|bar| bar.share).collect();
        assert_eq!(shares, [Some(0.25), Some(1.0), None]);
        assert_eq!(live(&builds, 0, 1).len(), 1);
    }

    #[test]
    fn a_cache_without_a_limit_has_no_bar_and_a_full_disk_is_bad() {
        let mut status = Status { free_bytes: 1, min_free_bytes: 5, ..Status::default() };
        let shares = |status: &Status| storage(status, 4).iter().map(|bar| (bar.share, bar.is_bad)).collect::<Vec<_>>();
        assert_eq!(shares(&status), [(None, false), (Some(0.75), true)]);
        status.max_bytes = Some(8);
        assert_eq!(shares(&status)[0], (Some(0.0), false));
    }
}

//! A daemon's status as text for people. Pure. How figures are rounded is decided in proto's figures.rs, which the page uses too.

use std::time::Duration;

use proto::control::{BuildStatus, Builds, Counts, Span, Status};
use proto::figures::{bytes, duration, number, percent};

use crate::table::{Look, Table, Tone};

/// The head of the table of builds; [`row`] makes its rows. `#` marks what is set to the right.
pub(crate) const HEAD: [&str; 9] =
    ["id", "name", "when", "#took", "#compiled", "#needed", "#hit rate", "#served", "#saved"];

/// The whole text of `cacheprogd status`. `now` is in seconds since 1970.
pub(crate) fn status(status: &Status, now: u64, look: Look) -> String {
    let most = status.max_bytes.map_or(String::new(), |most| format!(" of at most {}", bytes(most)));
    let mut out = format!(
        "cacheprogd {}, up {}\n{} entries, {} objects, {}{most}\n{} free on the disk, {} to be left\n",
        status.daemon,
        seconds(status.uptime_seconds),
        number(status.entries),
        number(status.objects),
        bytes(status.bytes),
        bytes(status.free_bytes),
        bytes(status.min_free_bytes),
    );
    if let Some(eviction) = &status.eviction {
        let ago = seconds(now.saturating_sub(eviction.at));
        let gone = number(eviction.entries);
        out += &format!("{ago} ago {gone} entries were evicted, {}\n", bytes(eviction.bytes));
    }
    out += &match &status.trouble {
        None => look.paint(Tone::Good, "all is well") + "\n",
        Some(trouble) => {
            look.paint(
                Tone::Bad,
                &format!(
                    "TROUBLE: {} puts could not be stored; the builds keep them for themselves. The latest: {}",
                    number(trouble.failures),
                    trouble.latest
                ),
            ) + "\n"
        }
    };
    let mut usage = Table::new(&["in the last", "builds", "compiled", "needed", "hit rate", "served", "put", "saved"]);
    for (name, span) in [("hour", &status.usage.hour), ("day", &status.usage.day), ("30 days", &status.usage.month)] {
        usage.row(usage_row(name, span));
    }
    out += &format!("\n{}\n{}", usage.text(look), table("live builds", &status.builds.live, now, look));
    let ended = &status.builds.ended;
    let latest = &ended[..ended.len().min(LATEST)];
    out + "\n" + &table("ended builds, the latest first", latest, now, look)
}

/// Ended builds in a status; `builds` shows more.
const LATEST: usize = 10;

/// The text of `cacheprogd builds`.
pub(crate) fn builds(builds: &Builds, now: u64, look: Look) -> String {
    let all: Vec<_> = builds.live.iter().chain(&builds.ended).cloned().collect();
    if all.is_empty() {
        return "no build came to the cache yet\n".to_owned();
    }
    rows(&all, now).text(look)
}

fn usage_row(name: &str, span: &Span) -> [String; 8] {
    let counts = &span.counts;
    [
        name.to_owned(),
        span.builds.to_string(),
        counts.packages_compiled.to_string(),
        counts.packages_needed.to_string(),
        hit_rate(counts),
        bytes(counts.bytes_served),
        bytes(counts.bytes_put),
        saved(counts),
    ]
}

fn table(title: &str, builds: &[BuildStatus], now: u64, look: Look) -> String {
    let text = if builds.is_empty() { String::new() } else { rows(builds, now).text(look) };
    format!("{title}: {}\n{text}", builds.len())
}

fn rows(builds: &[BuildStatus], now: u64) -> Table {
    let mut table = Table::new(&HEAD.map(|name| name.trim_start_matches('#')));
    builds.iter().for_each(|build| table.row(row(build, now)));
    table
}

/// What a build did, under [`HEAD`].
pub(crate) fn row(build: &BuildStatus, now: u64) -> [String; 9] {
    let counts = &build.counts;
    let when = match build.ended {
        0 => "now".to_owned(),
        ended => seconds(now.saturating_sub(ended)) + " ago",
    };
    [
        build.short.clone(),
        build.name.clone(),
        when,
        duration(Duration::from_millis(build.took_milliseconds)),
        counts.packages_compiled.to_string(),
        counts.packages_needed.to_string(),
        hit_rate(counts),
        bytes(counts.bytes_served),
        saved(counts),
    ]
}

/// How many of the shareable requests were hits.
pub(crate) fn hit_rate(counts: &Counts) -> String {
    percent(counts.shareable_hits(), counts.shareable_gets())
}

/// The compile time that was not spent.
pub(crate) fn saved(counts: &Counts) -> String {
    duration(Duration::from_millis(counts.saved_milliseconds))
}

/// Whole seconds as people say them.
pub(crate) fn seconds(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}

//! A daemon's status as text for people. Pure.

use proto::control::{BuildStatus, Builds, Counts, Span, Status};
use proto::figures::bytes;

use crate::table::{Look, Table, Tone};

/// The whole text of `cacheprogd status`. `now` is in seconds since 1970.
pub(crate) fn status(status: &Status, now: u64, look: Look) -> String {
    let most = status.max_bytes.map_or(String::new(), |most| format!(" of at most {}", bytes(most)));
    let mut out = format!(
        "cacheprogd {}, up {}\n{} entries, {} objects, {}{most}\n{} free on the disk, {} to be left\n",
        status.daemon,
        duration(status.uptime_seconds),
        status.entries,
        status.objects,
        bytes(status.bytes),
        bytes(status.free_bytes),
        bytes(status.min_free_bytes),
    );
    if let Some(eviction) = &status.eviction {
        let ago = duration(now.saturating_sub(eviction.at));
        out += &format!("{ago} ago {} entries were evicted, {}\n", eviction.entries, bytes(eviction.bytes));
    }
    out += &match &status.trouble {
        None => look.paint(Tone::Good, "all is well") + "\n",
        Some(trouble) => {
            look.paint(
                Tone::Bad,
                &format!(
                    "TROUBLE: {} puts could not be stored; the builds keep them for themselves. The latest: {}",
                    trouble.failures, trouble.latest
                ),
            ) + "\n"
        }
    };
    let mut usage = Table::new(&["in the last", "builds", "gets", "hits", "rate", "served", "put", "saved"]);
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
    let Counts { gets, hits, bytes_served, bytes_put, saved_milliseconds, .. } = &span.counts;
    [
        name.to_owned(),
        span.builds.to_string(),
        gets.to_string(),
        hits.to_string(),
        rate(*hits, *gets),
        bytes(*bytes_served),
        bytes(*bytes_put),
        duration(saved_milliseconds / 1000),
    ]
}

fn table(title: &str, builds: &[BuildStatus], now: u64, look: Look) -> String {
    let text = if builds.is_empty() { String::new() } else { rows(builds, now).text(look) };
    format!("{title}: {}\n{text}", builds.len())
}

fn rows(builds: &[BuildStatus], now: u64) -> Table {
    let mut table = Table::new(&["id", "name", "when", "took", "gets", "hits", "rate", "puts", "served", "saved"]);
    for build in builds {
        let counts = &build.counts;
        let (end, when) = match build.ended {
            0 => (now, "now".to_owned()),
            ended => (ended, duration(now.saturating_sub(ended)) + " ago"),
        };
        table.row([
            build.short.clone(),
            build.name.clone(),
            when,
            duration(end.saturating_sub(build.started)),
            counts.gets.to_string(),
            counts.hits.to_string(),
            rate(counts.hits, counts.gets),
            counts.puts.to_string(),
            bytes(counts.bytes_served),
            duration(counts.saved_milliseconds / 1000),
        ]);
    }
    table
}

/// A share in percent; none of nothing.
pub(crate) fn rate(part: u64, of: u64) -> String {
    part.saturating_mul(100).checked_div(of).map_or_else(|| "-".to_owned(), |share| format!("{share} %"))
}

/// Seconds as people say them.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_times_and_shares_are_as_people_write_them() {
        assert_eq!(["0 B", "1023 B", "1.0 KiB", "1.5 GiB"].map(str::to_owned), [0, 1023, 1024, 3 << 29].map(bytes));
        assert_eq!(
            ["59 s", "1 min 0 s", "2 h 5 min", "1 d 1 h"],
            [59, 60, 7500, 90_000].map(duration).each_ref().map(String::as_str)
        );
        assert_eq!([rate(0, 0), rate(1, 3), rate(7, 7)], ["-", "33 %", "100 %"]);
    }
}

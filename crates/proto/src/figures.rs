//! Figures as people read them, and the sentences and rows made of them. The one place that rounds: the command line, the page and the
//! line at the end of a build's log all come here, so that they say the same. Pure.

use std::time::Duration;

use bytesize::ByteSize;

use crate::control::{BuildStatus, Counts, LayerStatus, RemoteStatus, UNKNOWN_REQUESTER, Verification};

/// Bytes: `1.5 GiB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    ByteSize(n).display().iec().to_string()
}

/// A number in a sentence: `3,616`. In tables, which programs read too, numbers are plain digits.
#[must_use]
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share in percent, rounded down: `100 %` is all of it. `0 %` is none of it: what is less than one in a hundred is `1 %`. A
/// share of nothing is `-`.
#[must_use]
pub fn percent(part: u64, of: u64) -> String {
    match u128::from(part).saturating_mul(100).checked_div(u128::from(of)) {
        None => "-".to_owned(),
        Some(0) if part > 0 => "1 %".to_owned(),
        Some(share) => format!("{share} %"),
    }
}

/// A span of time, rounded down: `0.4 s`, `52 s`, `1 min 5 s`, `2 h 5 min`, `1 d 1 h`. Tenths of a second are given under ten
/// seconds, where there are any.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 if time.subsec_millis() > 0 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// What shadow verification found; empty where it was never on.
#[must_use]
pub fn verification(found: &Verification) -> String {
    let Verification { seconds_per_hour, compared, differing, .. } = found;
    match (seconds_per_hour, compared, differing) {
        (0, 0, _) => String::new(),
        (_, _, 0) => format!("{} outputs computed again, all the same", number(*compared)),
        _ => format!("{} of {} outputs that were computed again DIFFER", number(*differing), number(*compared)),
    }
}

/// What a layer of the daemon gave, or why it is not used.
#[must_use]
pub fn layer(layer: &LayerStatus) -> String {
    let LayerStatus { directory, copied, damaged, refused } = layer;
    match (refused, damaged) {
        (Some(why), _) => format!("{directory} is NOT USED: {why}"),
        (None, 0) => format!("{directory}: {} entries copied", number(*copied)),
        (None, _) => format!("{directory}: {} entries copied, {} are DAMAGED", number(*copied), number(*damaged)),
    }
}

/// A store that machines share in a line.
#[must_use]
pub fn remote(remote: &RemoteStatus) -> String {
    let RemoteStatus { url, requests, fetched, fetched_bytes, put_bytes, uploads, waiting, trouble } = remote;
    let (got, put) = (bytes(*fetched_bytes), bytes(*put_bytes));
    let done = format!(
        "{url}: {} entries fetched ({got}), {} builds put ({put}), {} wait; {} requests",
        number(*fetched),
        number(*uploads),
        number(*waiting),
        number(*requests)
    );
    trouble.as_ref().map_or_else(|| done.clone(), |why| format!("{done}; FAILING: {why}"))
}

/// Whole seconds as a span of time.
#[must_use]
pub fn seconds(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}

/// How many of the requests for what may be shared were hits, in percent.
#[must_use]
pub fn hit_rate(counts: &Counts) -> String {
    percent(counts.shareable_hits(), counts.shareable_gets())
}

/// The compile time that hits saved.
#[must_use]
pub fn saved(counts: &Counts) -> String {
    duration(Duration::from_millis(counts.saved_milliseconds))
}

/// The columns of the table of builds. `#` marks one that is aligned to the right.
const BUILD_COLUMNS: [&str; 9] =
    ["id", "name", "when", "#wall time", "#compiled", "#needed", "#hit rate", "#served", "#saved"];

/// One more column, where the entries of one of the builds are not for all users.
const ENTRIES_FOR: &str = "entries for";

/// The head of the table of builds and its rows: what each build did. `#` marks a column that is aligned to the right. `now` is in
/// seconds since 1970.
#[must_use]
pub fn build_table(builds: &[BuildStatus], now: u64) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let (mut head, mut rows) = (BUILD_COLUMNS.to_vec(), Vec::new());
    rows.extend(builds.iter().map(|build| build_row(build, now).to_vec()));
    if builds.iter().any(|build| !build.not_for_all().is_empty()) {
        head.push(ENTRIES_FOR);
        rows.iter_mut().zip(builds).for_each(|(row, build)| row.push(entries_for(build)));
    }
    (head, rows)
}

/// Whom the entries of a build are for, in a word or two: the reason is a sentence, which `doctor` has where something can be done.
fn entries_for(build: &BuildStatus) -> String {
    match build.not_for_all().split_once(": ") {
        None => build.not_for_all().to_owned(),
        Some((_, reason)) if reason.starts_with(UNKNOWN_REQUESTER) => "this build (see doctor)".to_owned(),
        Some(_) => "this build".to_owned(),
    }
}

/// What a build did, under [`BUILD_COLUMNS`].
fn build_row(build: &BuildStatus, now: u64) -> [String; 9] {
    let counts = &build.counts;
    let when = match build.ended {
        0 => "now".to_owned(),
        ended => seconds(now.saturating_sub(ended)) + " ago",
    };
    [
        build.short.clone(),
        build.name.clone(),
        when,
        duration(Duration::from_millis(build.wall_milliseconds)),
        counts.packages_compiled.to_string(),
        counts.packages_needed.to_string(),
        hit_rate(counts),
        bytes(counts.bytes_served),
        saved(counts),
    ]
}

/// How much of what was needed had to be compiled: `56 of 812 packages compiled`.
#[must_use]
pub fn packages(compiled: u64, needed: u64) -> String {
    format!("{} of {} packages compiled", number(compiled), number(needed))
}

/// How many requests for what may be shared were hits: `3,616 of 3,752 shareable requests hit (96 %)`.
#[must_use]
pub fn requests(hits: u64, shareable: u64) -> String {
    format!("{} of {} shareable requests hit ({})", number(hits), number(shareable), percent(hits, shareable))
}

/// What the cache gave: packages first, then requests, bytes and time. The line at the end of a build's log begins so.
#[must_use]
pub fn summary(counts: &Counts) -> String {
    let packages = match counts.packages_needed {
        0 => String::new(),
        needed => packages(counts.packages_compiled, needed) + "; ",
    };
    format!(
        "{packages}{}, {}; {} of compiling saved",
        requests(counts.shareable_hits(), counts.shareable_gets()),
        bytes(counts.bytes_served),
        saved(counts)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_times_and_shares_are_as_people_write_them() {
        assert_eq!(
            ["0 B", "1023 B", "1.0 KiB", "1.5 GiB"],
            [0, 1023, 1024, 3 << 29].map(bytes).each_ref().map(|s| &**s)
        );
        let spans = [0, 40, 2250, 9_999, 10_999, 59_000, 60_000, 7_500_000, 90_000_000].map(Duration::from_millis);
        assert_eq!(
            ["0 s", "0.0 s", "2.2 s", "9.9 s", "10 s", "59 s", "1 min 0 s", "2 h 5 min", "1 d 1 h"],
            spans.map(duration).each_ref().map(|s| &**s)
        );
        assert_eq!(
            ["0", "999", "1,000", "38,605", "1,234,567"],
            [0, 999, 1000, 38_605, 1_234_567].map(number).each_ref().map(|s| &**s)
        );
    }

    #[test]
    fn whom_entries_are_for_is_shown_where_it_is_not_all_users() {
        let of = |shared_with: &str| BuildStatus { shared_with: shared_with.into(), ..BuildStatus::default() };
        let (head, rows) = build_table(&[of(BuildStatus::ALL_USERS), of("")], 0);
        assert_eq!((head.len(), rows[0].len()), (9, 9));
        let (head, rows) = build_table(&[of("user 1000"), of(BuildStatus::ALL_USERS)], 0);
        assert_eq!((head[9], rows[0][9].as_str(), rows[1][9].as_str()), (ENTRIES_FOR, "user 1000", ""));
        let unknown = format!("no other build: {UNKNOWN_REQUESTER}: nix-daemon has no connection");
        let (_, rows) = build_table(&[of("no other build: it has a network"), of(&unknown)], 0);
        assert_eq!([&rows[0][9], &rows[1][9]], ["this build", "this build (see doctor)"]);
    }

    #[test]
    fn all_is_a_hundred_percent_and_none_is_zero_and_nothing_else_is() {
        let shares = [(0, 0), (0, 7), (1, 1000), (1, 3), (999, 1000), (7, 7), (u64::MAX, u64::MAX)];
        let said = shares.map(|(part, of)| percent(part, of));
        assert_eq!(said.each_ref().map(|s| &**s), ["-", "0 %", "1 %", "33 %", "99 %", "100 %", "100 %"]);
        assert_eq!(packages(56, 812), "56 of 812 packages compiled");
        assert_eq!(requests(3616, 3752), "3,616 of 3,752 shareable requests hit (96 %)");
    }
}

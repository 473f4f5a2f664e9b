//! The text of a daemon's status and of its builds. Pure. proto's figures.rs rounds, for the page too.

use proto::control::{BuildStatus, Builds, LayerStatus, RemoteStatus, Span, Status, Verification};
use proto::figures::{self, build_table, bytes, hit_rate, number, saved, seconds};

use crate::terminal::{Style, Table, Tone};

/// The whole text of `cacheprogctl status`. `now` is in seconds since 1970.
pub(crate) fn status(status: &Status, now: u64, style: Style) -> String {
    let most = status.max_bytes.map_or(String::new(), |most| format!(" of at most {}", bytes(most)));
    let mut out = format!(
        "cacheprogd {}, up {}\n{} entries, {} objects, {}{most}\n{} free on the disk, at least {} must stay free\n",
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
        out += &format!("last eviction: {ago} ago, {gone} entries, {}\n", bytes(eviction.bytes));
    }
    out += &storage(status, style);
    out += &verification(&status.verification, now, style);
    out.extend(status.layers.iter().map(|of| layer(of, style)));
    out.extend(status.remote.iter().map(|of| remote(of, style)));
    let mut usage = Table::new(&["in the last", "builds", "compiled", "needed", "hit rate", "served", "put", "saved"]);
    for (name, span) in [("hour", &status.usage.hour), ("day", &status.usage.day), ("30 days", &status.usage.month)] {
        usage.row(usage_row(name, span));
    }
    out += &format!("\n{}\n{}", usage.text(style), table("live builds", &status.builds.live, now, style));
    let ended = &status.builds.ended;
    let latest = &ended[..ended.len().min(LATEST)];
    out + "\n" + &table("ended builds, latest first", latest, now, style)
}

/// Whether what builds put is stored, and stays.
fn storage(status: &Status, style: Style) -> String {
    let (tone, text) = match &status.trouble {
        Some(trouble) => (
            Tone::Bad,
            format!(
                "FAILING: {} puts could not be stored and stay private to their builds. Latest error: {}",
                number(trouble.failures),
                trouble.latest
            ),
        ),
        None if status.free_bytes < status.min_free_bytes => (
            Tone::Bad,
            "NO ROOM: entries are evicted for free space. Free disk space, or lower min-free in /etc/nix-gocacheprog.toml".to_owned(),
        ),
        None => (Tone::Good, "ok".to_owned()),
    };
    style.paint(tone, &format!("storage: {text}")) + "\n"
}

/// What was computed again, and the latest differences.
fn verification(found: &Verification, now: u64, style: Style) -> String {
    let line = figures::verification(found);
    if line.is_empty() {
        return line;
    }
    let tone = if found.differing == 0 { Tone::Good } else { Tone::Bad };
    let mut out = style.paint(tone, &format!("shadow verification: {line}")) + "\n";
    for difference in found.differences.iter().take(LATEST) {
        out += &format!("  {} ago: {difference}\n", seconds(now.saturating_sub(difference.at)));
    }
    out
}

fn layer(layer: &LayerStatus, style: Style) -> String {
    style.paint(if layer.is_good() { Tone::Good } else { Tone::Warn }, &format!("layer {}", figures::layer(layer)))
        + "\n"
}

fn remote(remote: &RemoteStatus, style: Style) -> String {
    let tone = if remote.trouble.is_none() { Tone::Good } else { Tone::Warn };
    style.paint(tone, &format!("remote store {}", figures::remote(remote))) + "\n"
}

/// How many ended builds a status shows; `builds` shows more.
const LATEST: usize = 10;

/// The text of `cacheprogctl builds`.
pub(crate) fn builds(builds: &Builds, now: u64, style: Style) -> String {
    let all: Vec<_> = builds.all().cloned().collect();
    if all.is_empty() {
        return "no build has used the cache yet\n".to_owned();
    }
    rows(&all, now).text(style)
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

fn table(title: &str, builds: &[BuildStatus], now: u64, style: Style) -> String {
    let text = if builds.is_empty() { String::new() } else { rows(builds, now).text(style) };
    format!("{title}: {}\n{text}", builds.len())
}

fn rows(builds: &[BuildStatus], now: u64) -> Table {
    let (head, rows) = build_table(builds, now);
    let head: Vec<_> = head.iter().map(|name| name.trim_start_matches('#')).collect();
    let mut table = Table::new(&head);
    rows.into_iter().for_each(|row| table.row(row));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_not_ok_where_less_is_free_than_must_stay_free() {
        for (free_bytes, min_free_bytes, line) in
            [(9, 9, "storage: ok\n"), (8, 9, "storage: NO ROOM: entries are evicted")]
        {
            let text = storage(&Status { free_bytes, min_free_bytes, ..Status::default() }, Style::default());
            assert!(text.starts_with(line), "{text}");
        }
    }
}

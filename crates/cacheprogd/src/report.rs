//! A status as text for people. Pure.

use std::fmt::Write;

use proto::control::{BuildStatus, Status};

use crate::settings::bytes;

/// The whole text of `cacheprogd status`.
pub(crate) fn status(status: &Status) -> String {
    let mut out = format!(
        "cacheprogd {}, up {}\n{} entries, {} objects, {}{}\n{} free on the disk, {} to be left\n",
        status.daemon,
        duration(status.uptime_seconds),
        status.entries,
        status.objects,
        bytes(status.bytes),
        status.max_bytes.map_or(String::new(), |most| format!(" of at most {}", bytes(most))),
        bytes(status.free_bytes),
        bytes(status.min_free_bytes),
    );
    if let Some(trouble) = &status.trouble {
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            out,
            "\nTROUBLE: {} puts could not be stored; the builds keep them for themselves. The latest: {}",
            trouble.failures, trouble.latest
        );
    }
    table(&mut out, "live builds", &status.builds.live);
    table(&mut out, "ended builds, the latest first", &status.builds.ended);
    out
}

fn table(out: &mut String, title: &str, builds: &[BuildStatus]) {
    // Writing to a String cannot fail.
    let _infallible = write!(out, "\n{title}: {}\n", builds.len());
    if builds.is_empty() {
        return;
    }
    let _infallible = writeln!(
        out,
        "  {:<40} {:>7} {:>7} {:>7} {:>10} {:>10} {:>9}",
        "name", "gets", "hits", "puts", "put", "served", "saved"
    );
    for build in builds {
        let counts = &build.counts;
        let _infallible = writeln!(
            out,
            "  {:<40} {:>7} {:>7} {:>7} {:>10} {:>10} {:>9}",
            build.name,
            counts.gets,
            counts.hits,
            counts.puts,
            bytes(counts.bytes_put).to_string(),
            bytes(counts.bytes_served).to_string(),
            duration(counts.saved_milliseconds / 1000)
        );
    }
}

fn duration(seconds: u64) -> String {
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
    fn sizes_and_times_are_as_people_write_them() {
        assert_eq!(
            ["0 B", "1023 B", "1.0 KiB", "1.5 GiB"].map(str::to_owned),
            [0, 1023, 1024, 3 << 29].map(|n| bytes(n).to_string())
        );
        assert_eq!(
            ["59 s", "1 min 0 s", "2 h 5 min", "1 d 1 h"],
            [59, 60, 7500, 90_000].map(duration).each_ref().map(String::as_str)
        );
    }
}

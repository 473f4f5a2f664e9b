//! The counters and the cache's size in the text format of Prometheus (version 0.0.4). Pure. docs/reference/metrics.md has the names;
//! `cacheprogctl status` reads them.

use std::fmt::Write;

use store::Totals;

use crate::counters::{Counts, RequestResult};

/// The type of the text, for the header of the response.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is written.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) counts: Counts,
    /// What is in the embedded store, and the most that it may take in bytes; `None` without one.
    pub(crate) cache: Option<(Totals, Option<u64>)>,
    pub(crate) running_downloads: usize,
    pub(crate) up_seconds: u64,
    pub(crate) is_offline: bool,
}

impl Metrics {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let Self { counts, .. } = self;
        head(&mut text, "requests_total", "counter", "answered requests by what came of them");
        for (result, count) in RequestResult::ALL.into_iter().zip(counts.requests) {
            line(&mut text, &format!("requests_total{{result=\"{}\"}}", result.word()), count);
        }
        for (name, kind, help, value) in [
            ("sent_bytes_total", "counter", "bytes of files that go commands were sent", counts.sent_bytes),
            ("downloads_total", "counter", "downloads that began", counts.downloads),
            ("downloaded_bytes_total", "counter", "bytes that came from upstreams", counts.downloaded_bytes),
            (
                "upstream_requests_total",
                "counter",
                "requests to upstreams, with all attempts",
                counts.upstream_requests,
            ),
            (
                "upstream_errors_total",
                "counter",
                "of these, those that gave neither a file nor not found",
                counts.upstream_errors,
            ),
            ("running_downloads", "gauge", "downloads that run", self.running_downloads as u64),
            ("offline", "gauge", "1 where no upstream is asked", u64::from(self.is_offline)),
            ("up_seconds", "gauge", "time since the start", self.up_seconds),
        ] {
            single(&mut text, name, kind, help, value);
        }
        if let Some((totals, most)) = self.cache {
            single(&mut text, "cache_entries", "gauge", "files that are kept", totals.entries);
            single(&mut text, "cache_bytes", "gauge", "what they take on the disk", totals.bytes);
            if let Some(most) = most {
                single(&mut text, "cache_limit_bytes", "gauge", "the most that they may take", most);
            }
        }
        let version = env!("CARGO_PKG_VERSION");
        head(&mut text, "info", "gauge", "the version");
        line(&mut text, &format!("info{{version=\"{version}\"}}"), 1);
        text
    }
}

fn single(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(text, name, kind, help);
    line(text, name, value);
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ok = writeln!(text, "# HELP gocacheprog_modproxy_{name} {help}\n# TYPE gocacheprog_modproxy_{name} {kind}");
}

fn line(text: &mut String, name: &str, value: u64) {
    let _ok = writeln!(text, "gocacheprog_modproxy_{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_a_help_line_a_type_and_a_value() {
        let counts = Counts { requests: [1, 2, 3, 4, 5, 6, 7], sent_bytes: 8, ..Counts::default() };
        let cache = Some((Totals { entries: 9, objects: 9, bytes: 10 }, Some(11)));
        let metrics = Metrics { counts, cache, running_downloads: 0, up_seconds: 12, is_offline: true };
        let text = metrics.text();
        for expected in [
            "gocacheprog_modproxy_requests_total{result=\"cached\"} 1",
            "gocacheprog_modproxy_requests_total{result=\"aborted\"} 7",
            "gocacheprog_modproxy_sent_bytes_total 8",
            "gocacheprog_modproxy_cache_bytes 10",
            "gocacheprog_modproxy_cache_limit_bytes 11",
            "gocacheprog_modproxy_offline 1",
            "# TYPE gocacheprog_modproxy_requests_total counter",
            "# HELP gocacheprog_modproxy_cache_entries files that are kept",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
        }
        let names = |begin: &str| text.lines().filter_map(|line| line.strip_prefix(begin)?.split(' ').next()).count();
        assert_eq!(names("# HELP "), names("# TYPE "));
        let without = Metrics { cache: None, ..metrics }.text();
        assert!(!without.contains("cache_"), "{without}");
    }
}

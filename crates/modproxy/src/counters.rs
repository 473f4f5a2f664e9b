//! What this proxy has done since it started, as counters. Pure; metrics.rs writes them, responder.rs, download.rs and fetch.rs count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::download_error::DownloadError;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestResult {
    /// A file of the cache.
    Cached,
    /// A file or an answer of an upstream.
    Downloaded,
    /// The last known answer, as no upstream could be asked.
    Remembered,
    /// The upstreams have no such file.
    NotFound,
    /// An error, and why is in its text.
    Failed,
    /// No path of the module proxy protocol, or one that this proxy does not serve.
    Rejected,
    /// The connection was lost, or the response was cut off, as its file was not whole.
    Aborted,
}

impl RequestResult {
    /// All of them, in the order of their counters.
    pub(crate) const ALL: [Self; 7] =
        [Self::Cached, Self::Downloaded, Self::Remembered, Self::NotFound, Self::Failed, Self::Rejected, Self::Aborted];

    /// Its word in metrics and in the log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Downloaded => "downloaded",
            Self::Remembered => "remembered",
            Self::NotFound => "not_found",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
        }
    }
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// By [`RequestResult`], in its order.
    requests: [AtomicU64; RequestResult::ALL.len()],
    sent_bytes: AtomicU64,
    downloads: AtomicU64,
    downloaded_bytes: AtomicU64,
    upstream_requests: AtomicU64,
    upstream_errors: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Answered requests by [`RequestResult`], in its order.
    pub(crate) requests: [u64; RequestResult::ALL.len()],
    /// Bytes of files that go commands were sent.
    pub(crate) sent_bytes: u64,
    /// Downloads that began.
    pub(crate) downloads: u64,
    /// Bytes that they wrote.
    pub(crate) downloaded_bytes: u64,
    /// Requests to upstreams, further attempts included.
    pub(crate) upstream_requests: u64,
    /// Of these, those that ended with neither a file nor "not found".
    pub(crate) upstream_errors: u64,
}

impl Counters {
    /// A request was answered with so many bytes of a file.
    pub(crate) fn add_request(&self, result: RequestResult, sent: u64) {
        let counted = RequestResult::ALL.iter().zip(&self.requests).find(|(known, _)| **known == result);
        if let Some((_, counter)) = counted {
            counter.fetch_add(1, Relaxed);
        }
        self.sent_bytes.fetch_add(sent, Relaxed);
    }

    /// A download begins.
    pub(crate) fn add_download(&self) {
        self.downloads.fetch_add(1, Relaxed);
    }

    /// A download has ended and wrote so many bytes.
    pub(crate) fn add_downloaded(&self, bytes: u64) {
        self.downloaded_bytes.fetch_add(bytes, Relaxed);
    }

    /// A request to an upstream has ended.
    pub(crate) fn add_upstream_request(&self, result: Result<(), &DownloadError>) {
        self.upstream_requests.fetch_add(1, Relaxed);
        if result.is_err_and(|error| !error.is_not_found()) {
            self.upstream_errors.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let value = |counter: &AtomicU64| counter.load(Relaxed);
        Counts {
            requests: std::array::from_fn(|index| value(&self.requests[index])),
            sent_bytes: value(&self.sent_bytes),
            downloads: value(&self.downloads),
            downloaded_bytes: value(&self.downloaded_bytes),
            upstream_requests: value(&self.upstream_requests),
            upstream_errors: value(&self.upstream_errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_has_a_counter_of_its_own() {
        let counters = Counters::default();
        for (times, result) in RequestResult::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| counters.add_request(result, 10));
        }
        let counts = counters.counts();
        assert_eq!(counts.requests, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(counts.sent_bytes, 210);
    }

    #[test]
    fn a_file_that_no_upstream_has_is_no_error_of_one() {
        let counters = Counters::default();
        counters.add_upstream_request(Ok(()));
        counters.add_upstream_request(Err(&DownloadError::not_found()));
        counters.add_upstream_request(Err(&DownloadError::Truncated(7)));
        let counts = counters.counts();
        assert_eq!((counts.upstream_requests, counts.upstream_errors), (3, 1));
    }
}

//! What the process sent and received.

use std::collections::BTreeMap;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads an object.
    Get,
    /// Writes one.
    Put,
    /// Removes one.
    Delete,
    /// Reads a page of names.
    List,
}

impl Method {
    /// The method of HTTP.
    #[must_use]
    pub fn as_http(self) -> &'static str {
        match self {
            Self::Get | Self::List => "GET",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// How a request to the engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestOutcome {
    /// As it should.
    Ok,
    /// The object does not exist.
    Missing,
    /// The engine refused it: rights, keys, clock, size.
    Refused,
    /// It sent the request elsewhere: another region, another address.
    Redirected,
    /// No answer, or 5xx.
    Unavailable,
    /// A deadline passed.
    Slow,
    /// An answer that cannot be used.
    Invalid,
}

/// Counts since the process began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests, each attempt and each redirect for itself.
    pub requests: BTreeMap<(Method, RequestOutcome), u64>,
    /// Bytes of bodies that were sent.
    pub bytes_up: u64,
    /// Bytes of bodies that were received, those that were skipped too.
    pub bytes_down: u64,
    /// Second attempts.
    pub retries: u64,
}

impl Counters {
    /// Counts a request.
    pub(crate) fn add_request(&mut self, method: Method, outcome: RequestOutcome) {
        let count = self.requests.entry((method, outcome)).or_default();
        *count = count.saturating_add(1);
    }
}

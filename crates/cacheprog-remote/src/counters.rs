//! What the process sent and received, and the budget of bytes of a day. Pure: time is an argument.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

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

/// Bytes that may be sent and received in a day of UTC, both together. It begins at zero with the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    limit: Option<u64>,
    day: u64,
    used: u64,
}

impl Budget {
    /// A budget of so many bytes a day, or none.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit, day: 0, used: 0 }
    }

    /// Whether a request may begin whose body has so many bytes, or at least one where that is not known.
    ///
    /// # Errors
    /// The limit, in bytes, where it may not.
    pub fn check(&mut self, bytes: u64, now: SystemTime) -> Result<(), u64> {
        self.begin_day(now);
        match self.limit {
            Some(limit) if self.used.saturating_add(bytes.max(1)) > limit => Err(limit),
            _ => Ok(()),
        }
    }

    /// Takes bytes that were sent or received.
    pub fn spend(&mut self, bytes: u64, now: SystemTime) {
        self.begin_day(now);
        self.used = self.used.saturating_add(bytes);
    }

    /// A clock that goes back does not give bytes back.
    fn begin_day(&mut self, now: SystemTime) {
        let day = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
        if day > self.day {
            (self.day, self.used) = (day, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_budget_ends_and_begins_with_the_day() {
        let at = |day: u64, hour: u64| UNIX_EPOCH + Duration::from_secs(day * 86_400 + hour * 3600);
        let mut budget = Budget::new(Some(100));
        budget.spend(60, at(20_000, 1));
        assert_eq!(budget.check(40, at(20_000, 2)), Ok(()));
        assert_eq!(budget.check(41, at(20_000, 2)), Err(100));
        budget.spend(40, at(20_000, 3));
        assert_eq!(budget.check(0, at(20_000, 23)), Err(100));
        assert_eq!(budget.check(100, at(20_001, 0)), Ok(()));
        assert_eq!(budget.check(101, at(20_001, 0)), Err(100));
        budget.spend(100, at(20_001, 1));
        assert_eq!(budget.check(1, at(20_000, 1)), Err(100), "the clock went back");
        assert_eq!(Budget::new(None).check(u64::MAX, at(20_000, 1)), Ok(()));
    }
}

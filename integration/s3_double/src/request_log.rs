//! The log of all requests, and totals.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;

use crate::mutex::lock;

/// A request as it was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Logged {
    /// GET, PUT and so on.
    pub method: String,
    /// The object's name without the bucket; `?` and the prefix for a list.
    pub name: String,
    /// The header `Range`.
    pub range: Option<String>,
    /// The status; 0 if nothing was answered.
    pub status: u16,
    /// Bytes of the request's body.
    pub bytes_up: usize,
    /// Bytes of the answer's body.
    pub bytes_down: usize,
    /// The key or user, if its signature or password was right.
    pub key: Option<String>,
    /// The kind of fault that it met.
    pub fault: Option<String>,
}

/// Sums over the log, and connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Connections accepted, those refused at once included.
    pub connections: u64,
    /// Requests.
    pub requests: u64,
    /// Requests by method. A HEAD is answered 405, and counted here.
    pub methods: BTreeMap<String, u64>,
    /// Requests by status; 0 for those without an answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of the requests' bodies.
    pub bytes_up: usize,
    /// Bytes of the answers' bodies.
    pub bytes_down: usize,
}

#[derive(Debug, Default)]
struct Entries {
    connections: u64,
    /// Increases with each reset: an answer that is still being sent then has no entry.
    generation: u64,
    requests: Vec<Logged>,
}

#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: Mutex<Entries>,
}

/// An entry, to correct the bytes that were sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryId(u64, usize);

impl RequestLog {
    pub(crate) fn connected(&self) {
        lock(&self.entries).connections += 1;
    }

    pub(crate) fn add(&self, request: Logged) -> EntryId {
        let mut entries = lock(&self.entries);
        entries.requests.push(request);
        EntryId(entries.generation, entries.requests.len() - 1)
    }

    pub(crate) fn sent(&self, EntryId(generation, at): EntryId, bytes_down: usize) {
        let mut entries = lock(&self.entries);
        if entries.generation == generation {
            entries.requests[at].bytes_down = bytes_down;
        }
    }

    pub(crate) fn requests(&self) -> Vec<Logged> {
        lock(&self.entries).requests.clone()
    }

    pub(crate) fn totals(&self) -> Totals {
        let entries = lock(&self.entries);
        let mut totals = Totals { connections: entries.connections, ..Totals::default() };
        for request in &entries.requests {
            totals.requests += 1;
            *totals.methods.entry(request.method.clone()).or_default() += 1;
            *totals.statuses.entry(request.status).or_default() += 1;
            totals.bytes_up += request.bytes_up;
            totals.bytes_down += request.bytes_down;
        }
        totals
    }

    pub(crate) fn reset(&self) {
        let mut entries = lock(&self.entries);
        *entries = Entries { generation: entries.generation + 1, ..Entries::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_ends_after_a_reset_changes_no_other_entry() {
        let log = RequestLog::default();
        let old = log.add(Logged::default());
        log.reset();
        let new = log.add(Logged::default());
        log.sent(new, 1);
        log.sent(old, 2);
        assert_eq!(log.totals().bytes_down, 1);
    }
}

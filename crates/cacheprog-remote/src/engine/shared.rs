//! What all requests of an engine share: credentials, region, breakers, counters. The only lock of this crate: its guard
//! leaves no method, and no file or socket is used under it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::error::EngineError;
use super::error_details::At;
use crate::breaker::{Breaker, Outcome, Permit};
use crate::counters::{Counters, Method, RequestOutcome};
use crate::credentials::Credentials;
use crate::mutex::lock;

/// The shared state.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// As they were last read.
    credentials: Option<Credentials>,
    /// The region of signatures.
    region: String,
    /// Whether these credentials read something.
    has_read: bool,
    reads: Breaker,
    writes: Breaker,
    counters: Counters,
}

impl State {
    fn breaker(&mut self, method: Method) -> &mut Breaker {
        match method {
            Method::Get | Method::List => &mut self.reads,
            Method::Put | Method::Delete => &mut self.writes,
        }
    }
}

impl Shared {
    /// Begins an operation.
    pub(crate) fn begin(self: &Arc<Self>, at: &At) -> Result<Operation, EngineError> {
        let mut state = lock(&self.0);
        let permit = state.breaker(at.method).admit(Instant::now());
        let permit = permit.map_err(|left| EngineError::Paused { at: at.clone(), left })?;
        Ok(Operation {
            shared: Arc::clone(self),
            method: at.method,
            permit: Some(permit),
            if_dropped: Outcome::NotAsked,
        })
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        lock(&self.0).credentials.clone()
    }

    pub(crate) fn set_credentials(&self, credentials: Option<Credentials>) {
        let mut state = lock(&self.0);
        (state.credentials, state.has_read) = (credentials, false);
    }

    pub(crate) fn region(&self) -> String {
        lock(&self.0).region.clone()
    }

    pub(crate) fn set_region(&self, region: &str) {
        region.clone_into(&mut lock(&self.0).region);
    }

    pub(crate) fn has_read(&self) -> bool {
        lock(&self.0).has_read
    }

    pub(crate) fn set_has_read(&self) {
        lock(&self.0).has_read = true;
    }

    pub(crate) fn add_retry(&self) {
        lock(&self.0).counters.retries += 1;
    }

    pub(crate) fn add_request(&self, method: Method, outcome: RequestOutcome) {
        lock(&self.0).counters.add_request(method, outcome);
    }

    pub(crate) fn add_sent(&self, bytes: u64) {
        lock(&self.0).counters.bytes_up += bytes;
    }

    pub(crate) fn counters(&self) -> Counters {
        lock(&self.0).counters.clone()
    }

    /// Whether reads, and writes, are refused at present.
    pub(crate) fn are_paused(&self) -> (bool, bool) {
        let (state, now) = (lock(&self.0), Instant::now());
        (state.reads.is_open(now), state.writes.is_open(now))
    }
}

/// A read or a write that a breaker let pass, from its begin to its end. It is told how it ended; one that is dropped counts as not
/// asked, or as answered once there was an answer.
#[derive(Debug)]
pub(crate) struct Operation {
    shared: Arc<Shared>,
    method: Method,
    /// `None` after the end.
    permit: Option<Permit>,
    if_dropped: Outcome,
}

impl Operation {
    /// The engine answered.
    pub(crate) fn with_answer(mut self) -> Self {
        self.if_dropped = Outcome::Answered;
        self
    }

    pub(crate) fn add_received(&self, bytes: u64) {
        lock(&self.shared.0).counters.bytes_down += bytes;
    }

    pub(crate) fn add_request(&self, outcome: RequestOutcome) {
        self.shared.add_request(self.method, outcome);
    }

    /// It is over.
    pub(crate) fn end(mut self, result: Result<(), &EngineError>) {
        self.record(result.map_or_else(EngineError::breaker_outcome, |()| Outcome::Answered));
    }

    fn record(&mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            lock(&self.shared.0).breaker(self.method).record(permit, outcome, Instant::now());
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.record(self.if_dropped);
    }
}

//! Answers cmd/go with what the daemon replied.

use std::sync::Arc;

use proto::gocmd::Hit;
use proto::wire::{Candidate, Refusal, Reply};
use proto::{Output, limits};

use crate::fault::catch_fault;
use crate::read_your_writes::is_there;
use crate::sharing::worker::Worker;

use super::dispatch::Dispatcher;
use super::in_flight::InFlightRequest;
use super::jobs::{DaemonBackend, Job};
use super::operation::Operation;

#[derive(Debug)]
pub(super) struct Replies {
    pub(super) dispatcher: Arc<Dispatcher>,
    /// For what must not keep the thread waiting.
    pub(super) worker: Arc<Worker<DaemonBackend>>,
}

impl Replies {
    /// Answers a request to which the daemon replied.
    pub(super) fn answer(&self, request: InFlightRequest, reply: Reply) {
        match (&request.operation, reply) {
            (Operation::Get(_), Reply::HitIf { inputs, output, time }) if output.size <= limits::TEST_BODY => {
                let hit = Hit { output, time: time.into(), path: request.connection.path(&output.id) };
                let list = request.connection.path(&inputs).into();
                self.worker.queue(Job::List { request, hit, list });
            }
            (Operation::Get(_), Reply::Conditional { candidates }) => {
                let path = |output: &Output| request.connection.path(&output.id);
                let hit = |of: &Candidate| Hit { output: of.output, time: of.time.into(), path: path(&of.output) };
                let hits = candidates.iter().map(hit).collect();
                let conditions = candidates.into_iter().map(|candidate| candidate.condition).collect();
                self.worker.queue(Job::Candidates { request, hits, conditions });
            }
            (_, reply) => {
                if catch_fault(|| self.pass_on(&request, reply)).is_none() {
                    self.answer_locally(&request);
                }
                self.dispatcher.in_flight.finish_one();
            }
        }
    }

    /// Whether the daemon waits for a decision on this reply.
    pub(super) fn is_offer(reply: &Reply) -> bool {
        match reply {
            Reply::HitIf { .. } | Reply::Conditional { .. } => true,
            Reply::Hit { .. }
            | Reply::Miss
            | Reply::Stored { .. }
            | Reply::Refused(_)
            | Reply::Summary(_)
            | Reply::Why(_) => false,
        }
    }

    fn pass_on(&self, request: &InFlightRequest, reply: Reply) {
        let path = |output: &Output| request.connection.path(&output.id);
        match (&request.operation, reply) {
            (Operation::Get(action), Reply::Hit { output, time }) => {
                let hit = Hit { output, time: time.into(), path: path(&output) };
                if is_there(&hit) {
                    self.dispatcher.fallback.hits.remember(*action, &hit.path);
                    self.dispatcher.fallback.responder.hit(request.id, &hit);
                } else {
                    self.answer_locally(request);
                }
            }
            // Too large for a test's result. (What is conditional was answered before.)
            (Operation::Get(_), Reply::HitIf { .. } | Reply::Conditional { .. }) => self.dispatcher.reject(request),
            (Operation::Put(put), Reply::Stored { time }) => {
                let output = put.header.output;
                let hit = Hit { output, time: time.into(), path: path(&output) };
                if is_there(&hit) {
                    self.dispatcher.fallback.answer_stored(request.id, put.header.action, hit);
                } else {
                    self.answer_locally(request); // the build's directory was removed, for example
                }
            }
            (Operation::Put(_), Reply::Refused(Refusal::Digest)) => {
                let error = proto::RequestError::BodyDigest.to_string();
                self.dispatcher.fallback.responder.error(request.id, &error);
            }
            // Nothing found, no space, or a reply of the wrong kind.
            (Operation::Get(_), Reply::Miss | Reply::Stored { .. } | Reply::Refused(_))
            | (
                Operation::Put(_),
                Reply::Miss
                | Reply::Hit { .. }
                | Reply::HitIf { .. }
                | Reply::Conditional { .. }
                | Reply::Refused(Refusal::Storage),
            )
            | (_, Reply::Summary(_) | Reply::Why(_)) => self.answer_locally(request),
        }
    }

    fn answer_locally(&self, request: &InFlightRequest) {
        self.dispatcher.fallback.answer_locally(request.id, &request.operation);
    }
}

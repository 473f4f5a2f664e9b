//! What the thread that reads files does for a session with the daemon: it answers offers and results of tests, and tells the daemon
//! what is shared.

use std::path::PathBuf;
use std::sync::Arc;

use proto::Condition;
use proto::gocmd::Hit;
use proto::wire::Request;

use crate::fault::catch_fault;
use crate::gocmd::cache::PutHeader;
use crate::gocmd::responder::MISSING_PATH;
use crate::put_body::PutBody;
use crate::read_your_writes::is_there;
use crate::sharing::shares::Share;
use crate::sharing::worker::{Backend, Outcome, Task};
use crate::test_results::test_logs::TestResult;

use super::dispatch::Dispatcher;
use super::in_flight::InFlightRequest;
use super::operation::{Operation, Put, PutKind};

/// A session with the daemon, as the thread that reads files sees it.
#[derive(Debug)]
pub(super) struct DaemonBackend(pub(super) Arc<Dispatcher>);

/// A request that waits for files to be read.
#[derive(Debug)]
pub(super) enum Job {
    /// A result that another build put. It is a hit while its list of inputs is current.
    List {
        /// The get.
        request: InFlightRequest,
        hit: Hit,
        /// The file of the list.
        list: PathBuf,
    },
    /// Outputs of other builds. One is a hit if its condition holds.
    Candidates {
        /// The get.
        request: InFlightRequest,
        hits: Vec<Hit>,
        /// That of each hit.
        conditions: Arc<[Condition]>,
    },
    /// A test's result, to be put with the list of its inputs.
    Result { id: i64, put: PutHeader, body: Arc<PutBody>, result: Arc<TestResult> },
}

impl Backend for DaemonBackend {
    type Job = Job;

    fn task(job: &Job) -> Task {
        match job {
            Job::List { hit, list, .. } => Task::CheckList(hit.clone(), list.clone()),
            Job::Candidates { conditions, .. } => Task::Choose(conditions.clone()),
            Job::Result { put, result, .. } => Task::MakeList(result.clone(), put.output.id),
        }
    }

    fn answer(&self, job: Job, outcome: Outcome) {
        match (job, outcome) {
            (Job::List { request, hit, .. }, Outcome::ListIsCurrent) => self.0.accept(&request, &hit, 0),
            (Job::Candidates { request, hits, .. }, Outcome::Holds(number)) => match hits.get(number) {
                Some(hit) if is_there(hit) => self.0.accept(&request, hit, number),
                Some(_) | None => self.0.reject(&request),
            },
            (Job::List { request, .. } | Job::Candidates { request, .. }, _) => self.0.reject(&request),
            (Job::Result { id, put: header, body, .. }, outcome) => {
                let kind = if let Outcome::List(list) = outcome { PutKind::Test(list) } else { PutKind::Private };
                let put = Operation::Put(Put { header, body, kind });
                if catch_fault(|| self.0.request(id, put)).is_none() {
                    self.0.fallback.responder.stored(id, MISSING_PATH);
                }
            }
        }
        self.0.in_flight.finish_one();
    }

    fn share(&self, shares: Vec<Share>) {
        self.0.share(shares);
    }

    fn tell_parts(&self, condition: &Condition, parts: Vec<u8>) {
        self.0.tell(&Request::Parts { condition: condition.clone(), parts });
    }
}

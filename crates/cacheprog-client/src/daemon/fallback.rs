//! Answers requests locally, from the spool, when the daemon cannot be asked or did not reply in time. What happens to a put when
//! the daemon dies in the middle of it is decided here: its body goes to the spool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proto::gocmd::Hit;
use proto::wire::Request;
use proto::{ActionId, Condition, OutputId};

use crate::fault::catch_fault;
use crate::gocmd::responder::{MISSING_PATH, Responder};
use crate::local::spool::Spool;
use crate::read_your_writes::ReadYourWrites;
use crate::sharing::hits::Hits;

use super::operation::{Operation, Put, PutKind};

/// The spool, with counts of what was done without the daemon.
#[derive(Debug)]
pub(super) struct Fallback {
    pub(super) spool: Spool,
    pub(super) responder: Arc<Responder>,
    pub(super) read_your_writes: ReadYourWrites,
    /// What the go command was given.
    pub(super) hits: Arc<Hits>,
    /// For the daemon's counters: requests that it did not answer, and puts that were spooled.
    pub(super) unanswered: AtomicU64,
    pub(super) spooled: AtomicU64,
}

impl Fallback {
    /// Answers a request that the daemon did not answer.
    pub(super) fn answer_unanswered(&self, id: i64, operation: &Operation) {
        self.unanswered.fetch_add(1, Relaxed);
        self.answer_locally(id, operation);
    }

    /// Answers without the daemon, whatever happens.
    pub(super) fn answer_locally(&self, id: i64, operation: &Operation) {
        let answered = catch_fault(|| match operation {
            Operation::Get(action) => match self.spool.get(action) {
                Some(hit) => self.responder.hit(id, &hit),
                None => self.responder.miss(id),
            },
            Operation::Put(put) => self.put(id, put),
        });
        match (answered, operation) {
            (Some(()), _) => {}
            (None, Operation::Get(_)) => self.responder.miss(id),
            (None, Operation::Put(_)) => self.responder.stored(id, MISSING_PATH),
        }
    }

    /// Keeps a put in the spool and answers it. A test's result loses the list of its inputs, and is private then.
    fn put(&self, id: i64, put: &Put) {
        let is_plain = matches!(put.kind, PutKind::Plain);
        match self.spool.put(&put.header, &put.body, is_plain) {
            Ok(Some(hit)) => {
                self.spooled.fetch_add(1, Relaxed);
                self.answer_stored(id, put.header.action, hit);
            }
            Ok(None) => self.answer_lost(id),
            Err(error) => self.responder.error(id, &error.to_string()),
        }
    }

    /// Notes when other builds may use an entry, if it is in the spool.
    pub(super) fn share(&self, action: &ActionId, output: OutputId, condition: Option<&Condition>) {
        self.spool.share(action, output, condition);
    }

    /// Answers a put that was kept, here or by the daemon. It is remembered first: cmd/go may ask for it at once.
    pub(super) fn answer_stored(&self, id: i64, action: ActionId, hit: Hit) {
        let path = hit.path.clone();
        self.read_your_writes.remember(action, hit);
        self.responder.stored(id, &path);
    }

    /// Answers a put of which nothing could be kept: the entry is lost, the build is not.
    pub(super) fn answer_lost(&self, id: i64) {
        self.responder.stored(id, &self.spool.missing_path());
    }

    /// Takes the counts that the daemon was not told yet, if there are any.
    pub(super) fn take_counts(&self) -> Option<Request> {
        let [unanswered, spooled] = [&self.unanswered, &self.spooled].map(|count| count.swap(0, Relaxed));
        (unanswered + spooled > 0).then_some(Request::WithoutDaemon { unanswered, spooled })
    }
}

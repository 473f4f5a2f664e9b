//! Answers requests locally, from the spool, when the daemon cannot be asked or did not reply in time. What happens to a put when
//! the daemon dies in the middle of it is decided here: its body goes to the spool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proto::ActionId;
use proto::gocmd::Hit;
use proto::wire::Request;

use crate::fault::catch_fault;
use crate::gocmd::cache::PutHeader;
use crate::gocmd::responder::{MISSING_PATH, Responder};
use crate::local::spool::Spool;
use crate::put_body::PutBody;
use crate::read_your_writes::ReadYourWrites;

use super::operation::Operation;

/// The spool, with counts of what was done without the daemon.
#[derive(Debug)]
pub(super) struct Fallback {
    pub(super) spool: Spool,
    pub(super) responder: Arc<Responder>,
    pub(super) read_your_writes: ReadYourWrites,
    /// In transparent mode the spool has private puts as well, and spooled puts are not counted.
    pub(super) is_transparent: bool,
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
            Operation::Put(put) => self.put(id, &put.header, &put.body),
        });
        match (answered, operation) {
            (Some(()), _) => {}
            (None, Operation::Get(_)) => self.responder.miss(id),
            (None, Operation::Put(_)) => self.responder.stored(id, MISSING_PATH),
        }
    }

    /// Keeps a put in the spool and answers it.
    pub(super) fn put(&self, id: i64, put: &PutHeader, body: &PutBody) {
        match self.spool.put(put, body) {
            Ok(Some(hit)) => {
                if !self.is_transparent {
                    self.spooled.fetch_add(1, Relaxed);
                }
                self.answer_stored(id, put.action, hit);
            }
            Ok(None) => self.answer_lost(id),
            Err(error) => self.responder.error(id, &error.to_string()),
        }
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

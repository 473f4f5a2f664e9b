//! Gets and puts of one session, without sockets: what DESIGN.md calls soundness is decided here.

use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

use proto::control::Counts;
use proto::wire::{Refusal, Reply, Summary};
use proto::{ActionId, FrameError, OutputId};
use store::{
    Incoming, Kind, Namespace, Published, Put, ReceiveError, Recent, Record, Replaces, Sharing, Store, StoreError,
};

use crate::build::Build;
use crate::clock;
use crate::error::chain;

/// One session's view of the cache.
#[derive(Debug)]
pub(crate) struct Handler {
    store: Arc<Store>,
    build: Arc<Build>,
    namespace: Namespace,
    sharing: Sharing,
    /// When each missed action was asked for: until its put, Go computes.
    missed: Recent<Instant>,
    scratch: Vec<u8>,
}

impl Handler {
    pub(crate) fn new(store: Arc<Store>, build: Arc<Build>, namespace: Namespace, sharing: Sharing) -> Self {
        Self { store, build, namespace, sharing, missed: Recent::default(), scratch: Vec::new() }
    }

    /// A get: a hit whose output the build can see now, or a miss.
    pub(crate) fn get(&mut self, action: &ActionId) -> Reply {
        let mut counts = Counts { gets: 1, ..Counts::default() };
        let found = self.find(action);
        let reply = match &found {
            None => {
                self.missed.insert(*action, Instant::now());
                Reply::Miss
            }
            Some(record) => {
                counts.hits = 1;
                counts.bytes_served = record.size;
                if self.build.is_first(action) {
                    counts.saved_milliseconds = record.cost_ms;
                }
                Reply::Hit { output: record.output, size: record.size, time: record.time.into() }
            }
        };
        self.build.counters.add(&counts);
        reply
    }

    /// A put: read, checked, kept for the build or for all, and shown to the build.
    ///
    /// # Errors
    /// Where the body could not be read to its end: the session is over.
    pub(crate) fn put(&mut self, put: (ActionId, OutputId, u64), body: &mut impl Read) -> Result<Reply, FrameError> {
        let (action, output, size) = put;
        let received = self.store.receive(output, size, body, &mut self.scratch);
        let outcome = match received {
            Ok(mut body) => self.keep(action, &mut body),
            Err(ReceiveError::Body(e)) => Err(FrameError::Read(e)),
            Err(ReceiveError::Length(_)) => Err(FrameError::Truncated),
            Err(ReceiveError::Digest) => {
                self.build.complain(format_args!("a put whose body is not its output {output}"));
                Ok(Reply::Refused(Refusal::Digest))
            }
            Err(ReceiveError::Store(e)) => Ok(self.refuse(&e)),
        };
        if !matches!(outcome, Ok(Reply::Stored { .. })) {
            self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        }
        outcome
    }

    /// What the build did so far.
    pub(crate) fn summary(&self) -> Reply {
        let Counts { gets, hits, puts, bytes_served, saved_milliseconds, unanswered, .. } =
            self.build.counters.counts();
        Reply::Summary(Summary { gets, hits, puts, bytes_served, saved_milliseconds, unanswered })
    }

    /// A client tells what it did while there was no daemon for it.
    pub(crate) fn was_alone(&self, unanswered: u64, spooled: u64) {
        self.build.counters.add(&Counts { unanswered, spooled, ..Counts::default() });
    }

    fn find(&self, action: &ActionId) -> Option<Record> {
        let now = clock::now();
        match self.build.dir.find(action, now) {
            Ok(Some(own)) => return Some(own),
            Ok(None) => {}
            Err(e) => self.build.complain(format_args!("{}", chain(&e))),
        }
        let record = match self.store.find(&self.namespace, action, now) {
            Ok(record) => record.filter(|record| record.kind == Kind::Content)?,
            Err(e) => {
                self.build.complain(format_args!("{}", chain(&e)));
                return None;
            }
        };
        match self.store.show(&self.build.dir, (record.output, record.size), self.sharing) {
            Ok(shown) => shown.then_some(record),
            Err(e) => {
                self.build.complain(format_args!("{}", chain(&e)));
                None
            }
        }
    }

    fn keep(&mut self, action: ActionId, body: &mut Incoming) -> Result<Reply, FrameError> {
        let cost = self.missed.remove(&action).map(|asked| asked.elapsed().as_millis());
        let put = Put {
            action,
            time: clock::now(),
            cost_ms: cost.map_or(0, |ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            build: Some(self.build.id()),
            replaces: Replaces::Nothing,
        };
        let mut counts = Counts { puts: 1, bytes_put: body.size(), ..Counts::default() };
        let kept = match body.kind() {
            Kind::Mtime => {
                counts.private_puts = 1;
                self.build.dir.keep(&put, body)
            }
            Kind::Content => self.share(&put, body, &mut counts),
        };
        self.build.is_first(&action); // own work: a later hit on it saves nothing
        Ok(match kept {
            Ok(()) => {
                self.build.health.well();
                self.build.counters.add(&counts);
                Reply::Stored { time: put.time.into() }
            }
            Err(e) => self.refuse(&e),
        })
    }

    fn share(&self, put: &Put, body: &mut Incoming, counts: &mut Counts) -> Result<(), StoreError> {
        match self.store.publish(&self.namespace, put, body)? {
            Published::New | Published::Again => {
                let object = (body.output(), body.size());
                if self.store.show(&self.build.dir, object, self.sharing)? {
                    return Ok(());
                }
                self.build.dir.keep(put, body) // evicted in between
            }
            Published::Conflict(first) => {
                counts.conflicts = 1;
                let by = first.build.map_or_else(|| "an unknown build".to_owned(), |id| format!("build {id}"));
                self.build.complain(format_args!(
                    "({}) action {}: it put {}, {by} put {} before, which stays",
                    self.build.id(),
                    put.action,
                    body.output(),
                    first.output
                ));
                self.build.dir.keep(put, body)
            }
        }
    }

    fn refuse(&self, error: &StoreError) -> Reply {
        self.build.health.ill(error);
        Reply::Refused(Refusal::Storage)
    }
}

//! The one way of a put to the daemon. It reads the body and sends it, for every build or for this one alone as `sharing/` decides;
//! no other file of this folder decides about puts.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;

use proto::gocmd::{Body, BodyError};

use crate::gocmd::cache::PutHeader;
use crate::put_body::{BodyBuffer, PutBody};
use crate::sharing::classifier::Classifier;
use crate::sharing::worker::Worker;
use crate::test_results::test_logs::{TestLogs, TestResult};

use super::dispatch::Dispatcher;
use super::jobs::{DaemonBackend, Job};
use super::operation::{Operation, Put, PutKind};

#[derive(Debug)]
pub(super) struct Puts {
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) worker: Arc<Worker<DaemonBackend>>,
    pub(super) classifier: Classifier,
    pub(super) buffer: BodyBuffer,
    /// Where large bodies are kept until they are answered.
    pub(super) large_bodies: PathBuf,
    /// If tests' results may go to other builds.
    pub(super) test_logs: Option<TestLogs>,
}

impl Puts {
    /// Reads the body and answers the put, now or later.
    pub(super) fn put<R: BufRead>(&mut self, id: i64, put: PutHeader, body: &mut Body<'_, R>) -> Result<(), BodyError> {
        if let Some(logs) = &mut self.test_logs {
            logs.begin();
        }
        let Some(body) = self.buffer.read(put.output.size, body, &self.large_bodies)? else {
            // There is neither memory nor disk for it.
            self.dispatcher.fallback.answer_lost(id);
            return Ok(());
        };
        match self.test_logs.as_mut().and_then(|logs| logs.inspect(&body)) {
            Some(result) => self.put_result(id, put, body, result),
            None => self.send(id, put, &Arc::new(body)),
        }
        Ok(())
    }

    /// At the end of the go command: shares what belongs to nothing.
    pub(super) fn finish(&mut self) {
        self.worker.share(self.classifier.finish());
        self.worker.finish();
    }

    fn send(&mut self, id: i64, header: PutHeader, body: &Arc<PutBody>) {
        let read = |bytes: &mut [u8], at| body.read_exact_at(bytes, at);
        let class = self.classifier.classify(&header, &read);
        let kind = if class.is_plain { PutKind::Plain } else { PutKind::Private };
        self.dispatcher.request(id, Operation::Put(Put { header, body: body.clone(), kind }));
        self.worker.share(self.classifier.sent(&header, &class, &read));
    }

    /// Puts a test's result, when the list of its inputs is made.
    fn put_result(&self, id: i64, put: PutHeader, body: PutBody, result: TestResult) {
        self.dispatcher.in_flight.add_outstanding();
        self.worker.queue(Job::Result { id, put, body: Arc::new(body), result: Arc::new(result) });
    }
}

//! The one way of a put to the daemon. It reads the body, decides by its kind who may use it, and sends it on that route; no
//! other file of this folder decides about puts.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;

use proto::gocmd::{Body, BodyError};

use crate::gocmd::cache::PutHeader;
use crate::put_body::{BodyBuffer, PutBody};
use crate::test_results::test_logs::{TestLogs, TestResult};
use crate::transparent_policy;

use super::dispatch::Dispatcher;
use super::operation::Operation;
use super::test_result_jobs::TestResultJobs;

/// The id of a request of our own. cmd/go counts up from 0 and waits for no answer to it.
const NO_GO_REQUEST: i64 = -1;

#[derive(Debug)]
pub(super) struct Puts {
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) jobs: Arc<TestResultJobs>,
    pub(super) buffer: BodyBuffer,
    /// Where large bodies are kept until they are answered.
    pub(super) large_bodies: PathBuf,
    /// If tests' results may go to other builds.
    pub(super) test_logs: Option<TestLogs>,
}

/// How a put is shared.
enum Route {
    /// With all builds that have the same key.
    Shared,
    /// With builds in which the test's inputs are the same.
    TestResult(TestResult),
    /// As compiled Go without diagnostics: with the put of its empty diagnostics, without which no other build uses it.
    CompiledGo(PutHeader),
    /// Not: it stays in this build's spool.
    Private,
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
        match self.route(&put, &body) {
            Route::Shared => self.dispatcher.request(id, Operation::put(put, body)),
            Route::TestResult(result) => self.jobs.put(id, put, body, result),
            Route::CompiledGo(diagnostics) => {
                self.dispatcher.request(id, Operation::put(put, body));
                self.dispatcher.request(NO_GO_REQUEST, Operation::put(diagnostics, PutBody::of(b"")));
            }
            Route::Private => self.dispatcher.fallback.put(id, &put, &body),
        }
        Ok(())
    }

    fn route(&mut self, put: &PutHeader, body: &PutBody) -> Route {
        if self.dispatcher.fallback.is_transparent {
            return self.transparent_route(put, body);
        }
        let result = self.test_logs.as_mut().and_then(|logs| logs.inspect(body));
        result.map_or(Route::Shared, Route::TestResult)
    }

    /// In transparent mode compiled Go without diagnostics is shared. cmd/go puts the diagnostics first
    /// (cmd/go/internal/work/buildid.go `updateBuildID`, Go 1.21-1.27). Whether an index may be shared, the daemon decides.
    fn transparent_route(&self, put: &PutHeader, body: &PutBody) -> Route {
        let read = |bytes: &mut [u8], at| body.read_exact_at(bytes, at);
        if self.dispatcher.hello.reads_goroot && transparent_policy::is_index(read) {
            return Route::Shared;
        }
        let action = transparent_policy::diagnostics_action(&put.action);
        let empty = self.dispatcher.fallback.read_your_writes.find(&action).filter(|hit| hit.output.size == 0);
        match empty {
            Some(empty) if store::archive::is_compiled_go(put.output.size, read) => {
                Route::CompiledGo(PutHeader { action, output: empty.output })
            }
            Some(_) | None => Route::Private,
        }
    }
}

//! A session with the daemon, as the cache that serve.rs asks. The thread of the session reads cmd/go and sends; a second thread
//! reads the daemon's replies, a third one the files of tests.

use std::io::BufRead;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use proto::ActionId;
use proto::gocmd::{Body, BodyError};
use proto::wire::Hello;
use transport::Connection;

use crate::environment::Environment;
use crate::gocmd::cache::{Cache, PutHeader};
use crate::gocmd::invocation;
use crate::gocmd::responder::Responder;
use crate::local::spool::Spool;
use crate::local::spool_flush::SpoolFlush;
use crate::put_body::BodyBuffer;
use crate::read_your_writes::ReadYourWrites;
use crate::test_results::test_logs::TestLogs;
use crate::transparent_policy::TransparentPolicy;

use super::circuit_breaker::CircuitBreaker;
use super::dispatch::Dispatcher;
use super::fallback::Fallback;
use super::in_flight::InFlight;
use super::operation::Operation;
use super::put::Puts;
use super::replies::Replies;
use super::reply_reader::ReplyReader;
use super::test_result_jobs::TestResultJobs;

/// Longest wait for the last answers, above every deadline.
const FINISH: Duration = Duration::from_secs(300);

/// The thread that reads replies needs little: it holds no bodies.
const STACK: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct DaemonCache {
    dispatcher: Arc<Dispatcher>,
    puts: Puts,
    spool_flush: SpoolFlush,
}

impl DaemonCache {
    pub(crate) fn start(socket: &Path, responder: &Arc<Responder>, environment: &Environment) -> Self {
        let dispatcher = Arc::new(dispatcher(socket, responder, environment));
        let circuit_breaker = CircuitBreaker::new(&environment.spool);
        let connection = first_connection(&dispatcher, &circuit_breaker, environment);
        // In transparent mode the spool holds what is not to be shared.
        let flushes = connection.is_some() && !environment.is_transparent;
        let spool_flush = if flushes { SpoolFlush::start(socket, environment) } else { SpoolFlush::default() };
        let jobs = TestResultJobs::start(dispatcher.clone(), environment.test_context.clone());
        let transparent_policy = environment.is_transparent.then(TransparentPolicy::default);
        let replies = Replies { dispatcher: dispatcher.clone(), jobs: jobs.clone(), transparent_policy };
        let (reader, first) = (ReplyReader { replies, circuit_breaker }, connection.clone());
        let thread = thread::Builder::new().name("replies".to_owned()).stack_size(STACK);
        if let (Err(_), Some(connection)) = (thread.spawn(move || reader.run(first)), connection) {
            dispatcher.close(&connection); // no thread would read what the daemon replies
        }
        let puts = Puts {
            dispatcher: dispatcher.clone(),
            jobs,
            buffer: BodyBuffer::new(),
            large_bodies: environment.gocache.clone().unwrap_or_else(std::env::temp_dir),
            test_logs: environment.test_context.is_some().then(TestLogs::default),
        };
        Self { dispatcher, puts, spool_flush }
    }
}

impl Cache for DaemonCache {
    fn get(&mut self, id: i64, action: &ActionId) {
        let Fallback { responder, read_your_writes, .. } = &self.dispatcher.fallback;
        match read_your_writes.find(action) {
            Some(hit) => responder.hit(id, &hit),
            None => self.dispatcher.request(id, Operation::Get(*action)),
        }
    }

    fn put<R: BufRead>(&mut self, id: i64, put: PutHeader, body: &mut Body<'_, R>) -> Result<(), BodyError> {
        self.puts.put(id, put, body)
    }

    fn finish(&mut self) {
        self.dispatcher.in_flight.wait_until_answered(FINISH);
        self.dispatcher.send_last_notices();
        self.spool_flush.finish();
    }
}

fn dispatcher(socket: &Path, responder: &Arc<Responder>, environment: &Environment) -> Dispatcher {
    Dispatcher {
        socket: socket.to_owned(),
        hello: Hello {
            command: Some(invocation::describe()),
            reads_goroot: environment.reads_goroot,
            keeps_its_own: environment.is_transparent,
            ..Hello::new(environment.toolchain.clone())
        },
        in_flight: InFlight::default(),
        fallback: Fallback {
            spool: Spool::new(environment),
            responder: responder.clone(),
            read_your_writes: ReadYourWrites::default(),
            is_transparent: environment.is_transparent,
            unanswered: AtomicU64::new(0),
            spooled: AtomicU64::new(0),
        },
        sending: Mutex::default(),
    }
}

/// Connects before the first request is read, unless a client of this build has just waited for the daemon in vain.
fn first_connection(
    dispatcher: &Dispatcher,
    circuit_breaker: &CircuitBreaker,
    environment: &Environment,
) -> Option<Arc<Connection>> {
    if circuit_breaker.is_open() {
        return None;
    }
    match dispatcher.connect() {
        Ok(connection) => Some(connection),
        Err(e) => {
            environment.log(&format!("{e}: this go command works without the daemon"));
            if e.is_unresponsive() {
                circuit_breaker.open();
            }
            None
        }
    }
}

//! A session with the daemon, as the cache that serve.rs asks. The thread of the session reads cmd/go and sends; a second thread
//! reads the daemon's replies, a third one all other files.

use std::io::BufRead;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use proto::ActionId;
use proto::gocmd::{Body, BodyError, Hit};
use proto::wire::Hello;
use transport::Connection;

use crate::environment::Environment;
use crate::go_command;
use crate::gocmd::cache::{Cache, PutHeader};
use crate::gocmd::invocation;
use crate::gocmd::responder::Responder;
use crate::local::spool::Spool;
use crate::local::spool_flush::SpoolFlush;
use crate::put_body::BodyBuffer;
use crate::read_your_writes::ReadYourWrites;
use crate::sharing::classifier::Classifier;
use crate::sharing::worker::{Readers, Worker};
use crate::test_results::test_inputs::TestInputs;
use crate::test_results::test_logs::TestLogs;

use super::blinded_table::BlindedTable;
use super::circuit_breaker::CircuitBreaker;
use super::dispatch::Dispatcher;
use super::fallback::Fallback;
use super::in_flight::InFlight;
use super::jobs::DaemonBackend;
use super::operation::Operation;
use super::put::Puts;
use super::replies::Replies;
use super::reply_reader::ReplyReader;

/// Longest wait for the last answers, above every deadline.
const FINISH: Duration = Duration::from_secs(300);

/// The thread that reads replies needs little: it holds no bodies.
const STACK: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct DaemonCache {
    dispatcher: Arc<Dispatcher>,
    table: BlindedTable,
    puts: Puts,
    spool_flush: SpoolFlush,
}

impl DaemonCache {
    pub(crate) fn start(socket: &Path, responder: &Arc<Responder>, environment: &Environment) -> Self {
        let dispatcher = Arc::new(dispatcher(socket, responder, environment));
        let circuit_breaker = CircuitBreaker::new(&environment.spool);
        let connection = first_connection(&dispatcher, &circuit_breaker, environment);
        let has_daemon = connection.is_some();
        let spool_flush = if has_daemon { SpoolFlush::start(socket, environment) } else { SpoolFlush::default() };
        let worker = Worker::start(DaemonBackend(dispatcher.clone()), readers(environment));
        let classifier = Classifier::new(go_command::rules_with_daemon(environment), dispatcher.fallback.hits.clone());
        let replies = Replies { dispatcher: dispatcher.clone(), worker: worker.clone() };
        let (reader, first) = (ReplyReader { replies, circuit_breaker }, connection.clone());
        let thread = thread::Builder::new().name("replies".to_owned()).stack_size(STACK);
        if let (Err(_), Some(connection)) = (thread.spawn(move || reader.run(first)), connection) {
            dispatcher.close(&connection); // no thread would read what the daemon replies
        }
        let puts = Puts {
            dispatcher: dispatcher.clone(),
            worker,
            classifier,
            buffer: BodyBuffer::new(),
            large_bodies: environment.gocache.clone().unwrap_or_else(std::env::temp_dir),
            test_logs: environment.test_context.is_some().then(TestLogs::default),
        };
        let open = || BlindedTable::open(socket, &environment.toolchain);
        let table = environment.may_use_table.then(open).unwrap_or_default();
        Self { dispatcher, table, puts, spool_flush }
    }

    /// What this build put itself, as far as it is known here.
    fn own(&self, action: &ActionId) -> Option<Hit> {
        let Dispatcher { fallback, in_flight, .. } = &*self.dispatcher;
        let spooled = || if in_flight.current().is_none() { fallback.spool.get(action) } else { None };
        fallback.read_your_writes.find(action).or_else(spooled)
    }

    /// Tells the daemon which answers of the table were used. While it is gone, that waits.
    fn tell_used(&mut self) {
        if self.dispatcher.in_flight.current().is_some() {
            self.table.take_used().iter().for_each(|used| self.dispatcher.tell(used));
        }
    }
}

impl Cache for DaemonCache {
    fn get(&mut self, id: i64, action: &ActionId) {
        let Fallback { responder, hits, .. } = &self.dispatcher.fallback;
        if let Some(hit) = self.own(action) {
            responder.hit(id, &hit);
        } else if let Some(hit) = self.table.find(action) {
            hits.remember(*action, &hit.path);
            responder.hit(id, &hit);
            if self.table.note_use(*action) {
                self.tell_used();
                self.dispatcher.send_notices();
            }
        } else {
            self.dispatcher.request(id, Operation::Get(*action));
        }
    }

    fn put<R: BufRead>(&mut self, id: i64, put: PutHeader, body: &mut Body<'_, R>) -> Result<(), BodyError> {
        self.puts.put(id, put, body)
    }

    fn finish(&mut self) {
        self.dispatcher.in_flight.wait_until_answered(FINISH);
        self.puts.finish();
        self.tell_used();
        self.dispatcher.send_last_notices();
        self.spool_flush.finish();
    }
}

fn readers(environment: &Environment) -> Readers {
    let tests = environment.test_context.clone().map(|context| TestInputs::new(context, environment.started));
    Readers::new(go_command::setting(environment), tests)
}

fn dispatcher(socket: &Path, responder: &Arc<Responder>, environment: &Environment) -> Dispatcher {
    Dispatcher {
        socket: socket.to_owned(),
        hello: Hello {
            command: Some(invocation::describe()),
            reads_goroot: environment.reads_goroot,
            gocache: environment.gocache_id.clone(),
            only_conditional: !environment.is_clean,
            ..Hello::new(environment.toolchain.clone())
        },
        in_flight: InFlight::default(),
        fallback: Fallback {
            spool: Spool::new(environment),
            responder: responder.clone(),
            read_your_writes: ReadYourWrites::default(),
            hits: Arc::default(),
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

//! The daemon as the cache. This thread reads cmd/go and sends; a second one reads the daemon's answers and passes them
//! on, and connects again when the daemon was away. What the daemon does not answer, the spool does.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use proto::ActionId;
use proto::gocmd::{Body, BodyError};
use proto::wire::{Hello, Request};
use transport::Connection;

use crate::gocmd::responder::{Answers, NOWHERE};
use crate::gocmd::invocation;
use crate::gocmd::cache::{Cache, Put};
use crate::local::spool_flush::Drain;
use crate::environment::Environment;
use crate::put_body::{Held, Holder};
use crate::test_results::test_logs::Inputs;
use crate::daemon::in_flight::{Ask, Begun, Link, connect};
use crate::local::local_store::Local;
use crate::read_your_writes::Own;
use crate::share_policy::Plain;
use crate::daemon::circuit_breaker::Silence;
use crate::locks::lock;

use super::test_result_jobs::{self, Jobs};

/// Bytes that one client spools: several times what `go build std cmd` puts. Beyond, puts are lost, the build is not.
const MOST_SPOOLED: u64 = 4 << 30;

/// Longest wait for the last answers, above every deadline.
const FINISH: Duration = Duration::from_secs(300);

/// A reader of answers needs little: it holds no bodies.
const STACK: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Remote {
    pub(super) shared: Arc<Shared>,
    pub(super) holder: Holder,
    /// Where large bodies are held.
    pub(super) held_in: PathBuf,
    /// If tests' results may go to other builds.
    pub(super) inputs: Option<Inputs>,
    pub(super) drain: Drain,
}

/// What both threads work with.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) socket: PathBuf,
    pub(super) hello: Hello,
    pub(super) link: Link,
    pub(super) own: Own,
    pub(super) answers: Arc<Answers>,
    pub(super) silence: Silence,
    /// For what must not keep the threads waiting.
    pub(super) jobs: Jobs,
    /// Held while one request is begun and sent, or settled because it cannot be.
    pub(super) sending: Mutex<()>,
    /// In transparent mode: less is shared.
    pub(super) plain: Option<Plain>,
    /// Held for one put or look-up; its I/O is on a local file.
    pub(super) spool: Mutex<Local>,
    pub(super) spooled_bytes: AtomicU64,
    /// Requests settled here because the daemon could not be asked or left them out, and puts spooled: to be told.
    pub(super) unanswered: AtomicU64,
    pub(super) spooled: AtomicU64,
}

impl Remote {
    pub(crate) fn start(socket: &Path, answers: &Arc<Answers>, environment: &Environment) -> Self {
        let (jobs, queue) = test_result_jobs::queue();
        let shared = Arc::new(Shared {
            socket: socket.to_owned(),
            hello: Hello {
                command: Some(invocation::command()),
                reads_goroot: environment.reads_goroot,
                keeps_its_own: environment.is_transparent,
                ..Hello::new(environment.toolchain.clone())
            },
            link: Link::default(),
            own: Own::default(),
            answers: answers.clone(),
            silence: Silence::new(&environment.spool),
            jobs,
            sending: Mutex::default(),
            plain: environment.is_transparent.then(Plain::default),
            spool: Mutex::new(Local::new(&environment.spool, environment)),
            spooled_bytes: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            spooled: AtomicU64::new(0),
        });
        let connection = shared.first_connection(environment);
        // In transparent mode the spool holds what is not to be shared.
        let drains = connection.is_some() && shared.plain.is_none();
        let drain = if drains { Drain::start(socket, environment) } else { Drain::default() };
        let (reader, read) = (shared.clone(), connection.clone());
        let thread = thread::Builder::new().name("answers".to_owned()).stack_size(STACK);
        if let (Err(_), Some(connection)) = (thread.spawn(move || reader.read_answers(read)), connection) {
            shared.fail(&connection); // nobody would read what the daemon says
        }
        if let Some(places) = environment.places.clone() {
            queue.start(places, shared.clone());
        }
        let inputs = environment.places.is_some().then(Inputs::default);
        let held_in = environment.gocache.clone().unwrap_or_else(std::env::temp_dir);
        Self { shared, holder: Holder::new(), held_in, inputs, drain }
    }

    /// Tells the daemon, if it is there again, what was done without it, and what it was not told yet: for its counters.
    fn tell_the_rest(&self) {
        let [unanswered, spooled] = [&self.shared.unanswered, &self.shared.spooled].map(|count| count.swap(0, Relaxed));
        if unanswered + spooled > 0
            && let Some(connection) = self.shared.link.current()
        {
            self.shared.link.tell(&connection, connection.next_id(), &Request::Alone { unanswered, spooled });
        }
        let _turn = lock(&self.shared.sending);
        if let Some((connection, notices)) = self.shared.link.take_notices() {
            drop(send(&connection, &notices, None)); // it is gone again: nobody is told
        }
    }
}

pub(super) fn send(connection: &Connection, frame: &[u8], body: Option<&Held>) -> std::io::Result<()> {
    let mut stream = &connection.stream;
    stream.write_all(frame)?;
    body.map_or(Ok(()), |body| body.send(&mut stream))
}

impl Cache for Remote {
    fn get(&mut self, id: i64, action: &ActionId) {
        match self.shared.own.find(action) {
            Some(hit) => self.shared.answers.hit(id, &hit),
            None => self.shared.ask(id, Ask::Get(*action)),
        }
    }

    fn put<R: BufRead>(&mut self, id: i64, put: Put, body: &mut Body<'_, R>) -> Result<(), BodyError> {
        if let Some(inputs) = &mut self.inputs {
            inputs.begin();
        }
        match self.holder.hold(put.size, body, &self.held_in)? {
            Some(body) if self.shared.plain.is_some() => self.put_plain(id, put, body),
            Some(body) => {
                let result = self.inputs.as_mut().and_then(|inputs| inputs.see(&body));
                self.shared.put(id, put, Arc::new(body), result);
            }
            // Neither memory nor disk for it: it is lost, the build is not.
            None => self.shared.answers.stored(id, &self.shared.spool().nowhere()),
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.shared.link.wait_until_settled(FINISH);
        self.tell_the_rest();
        self.drain.finish();
    }
}

impl Shared {
    /// Sends a request, or settles it here where that is not possible.
    pub(super) fn ask(&self, id: i64, ask: Ask) {
        let (request, list, body) = match &ask {
            Ask::Get(action) => (Request::Get { action: *action }, None, None),
            Ask::Put(Put { action, output, size }, body, list) => {
                let (action, output, size) = (*action, *output, *size);
                let request = match list {
                    None => Request::Put { action, output, size },
                    Some(list) => Request::PutTest { action, output, size, inputs: list.len() as u64 },
                };
                (request, list.clone(), Some(body.clone()))
            }
        };
        // Nothing may follow a request that was cut off.
        let _turn = lock(&self.sending);
        match self.link.begin(id, ask) {
            Ok(Begun { connection, wire_id, notices: mut frames }) => {
                request.write(wire_id, &mut frames);
                frames.extend_from_slice(list.as_deref().unwrap_or_default());
                if send(&connection, &frames, body.as_deref()).is_err() {
                    self.fail(&connection);
                } else if body.is_some() {
                    self.link.sent();
                }
            }
            Err(ask) => {
                self.unanswered.fetch_add(1, Relaxed);
                self.settle(id, &ask);
            }
        }
    }

    /// Connects before the first request is read, unless a client of this build just waited for that in vain.
    fn first_connection(&self, environment: &Environment) -> Option<Arc<Connection>> {
        if self.silence.is_recent() {
            return None;
        }
        match connect(&self.socket, &self.hello) {
            Ok(connection) => {
                let connection = Arc::new(connection);
                self.link.set(connection.clone());
                Some(connection)
            }
            Err(e) => {
                environment.tell(&format!("{e}: going on without it"));
                if e.is_silence() {
                    self.silence.note();
                }
                None
            }
        }
    }

    /// Answers without the daemon, whatever happens.
    pub(super) fn settle(&self, id: i64, ask: &Ask) {
        let settled = catch_unwind(AssertUnwindSafe(|| match ask {
            Ask::Get(action) => {
                let hit = self.spool().get(action);
                match hit {
                    Some(hit) => self.answers.hit(id, &hit),
                    None => self.answers.miss(id),
                }
            }
            Ask::Put(put, body, _) => self.spool_put(id, put, body),
        }));
        match (settled, ask) {
            (Ok(()), _) => {}
            (Err(_), Ask::Get(_)) => self.answers.miss(id),
            (Err(_), Ask::Put(..)) => self.answers.stored(id, NOWHERE),
        }
    }

    pub(super) fn spool_put(&self, id: i64, put: &Put, body: &Held) {
        let mut spool = self.spool();
        let has_room = self.spooled_bytes.fetch_add(put.size, Relaxed) < MOST_SPOOLED;
        let received = match body.reader() {
            Ok(mut reader) if has_room => spool.receive(put, &mut reader),
            Ok(_) | Err(_) => Ok(None),
        };
        match received.map(|body| body.and_then(|mut body| spool.keep(put, None, &mut body))) {
            Ok(Some(hit)) => {
                if self.plain.is_none() {
                    self.spooled.fetch_add(1, Relaxed);
                }
                self.own.remember(put.action, hit.clone());
                self.answers.stored(id, &hit.path);
            }
            Ok(None) | Err(BodyError::Frame(_) | BodyError::Abandoned) => self.answers.stored(id, &spool.nowhere()),
            Err(BodyError::Request(e)) => self.answers.error(id, &e.to_string()),
        }
    }

    fn spool(&self) -> MutexGuard<'_, Local> {
        lock(&self.spool)
    }
}

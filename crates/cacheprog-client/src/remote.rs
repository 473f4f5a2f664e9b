//! The daemon as the cache. This thread reads cmd/go and sends; a second one reads the daemon's answers and passes them
//! on, and connects again when the daemon was away. What the daemon does not answer, the spool does.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use proto::gocmd::{Body, BodyError, Hit};
use proto::wire::{Hello, Refusal, Reply, Request};
use proto::{ActionId, limits};
use transport::Connection;

use crate::answers::{Answers, NOWHERE};
use crate::asked;
use crate::cache::{Cache, Put};
use crate::drain::Drain;
use crate::environment::Environment;
use crate::held::{Held, Holder};
use crate::inputs::Inputs;
use crate::link::{Ask, Link, Pending, connect};
use crate::local::Local;
use crate::own::{Own, is_there};
use crate::plain::Plain;
use crate::silence::Silence;
use crate::sync::lock;

mod jobs;
mod transparent;

use jobs::{Job, Jobs};

/// Pauses between attempts to reach the daemon again: a restart takes 65 to 300 ms (FACTS-nix.md section 6).
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Pauses after a daemon left an answer out: longer each time.
const AFTER_SILENCE: Duration = Duration::from_secs(4);
const LONGEST_SILENCE: Duration = Duration::from_secs(64);

/// Bytes that one client spools: several times what `go build std cmd` puts. Beyond, puts are lost, the build is not.
const MOST_SPOOLED: u64 = 4 << 30;

/// Longest wait for the last answers, above every deadline.
const FINISH: Duration = Duration::from_secs(300);

/// A reader of answers needs little: it holds no bodies.
const STACK: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Remote {
    shared: Arc<Shared>,
    holder: Holder,
    /// Where large bodies are held.
    held_in: PathBuf,
    /// If tests' results may go to other builds.
    inputs: Option<Inputs>,
    drain: Drain,
}

/// What both threads work with.
#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    hello: Hello,
    link: Link,
    own: Own,
    answers: Arc<Answers>,
    silence: Silence,
    /// For what must not keep the threads waiting.
    jobs: Jobs,
    /// Held while one request is begun and sent, or settled because it cannot be.
    sending: Mutex<()>,
    /// In transparent mode: less is shared.
    plain: Option<Plain>,
    /// Held for one put or look-up; its I/O is on a local file.
    spool: Mutex<Local>,
    spooled_bytes: AtomicU64,
    /// Requests settled here because the daemon could not be asked or left them out, and puts spooled: to be told.
    unanswered: AtomicU64,
    spooled: AtomicU64,
}

/// How a connection ended.
enum Ended {
    /// It broke, after at least one answer or before any.
    Broken { answered: bool },
    /// An answer did not come in time.
    Overdue,
}

impl Remote {
    pub(crate) fn start(socket: &Path, answers: &Arc<Answers>, environment: &Environment) -> Self {
        let (jobs, queue) = jobs::queue();
        let shared = Arc::new(Shared {
            socket: socket.to_owned(),
            hello: Hello {
                command: Some(asked::command()),
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

    /// Tells the daemon, if it is there again, what was done without it: for its counters.
    fn tell_what_was_done_alone(&self) {
        let [unanswered, spooled] = [&self.shared.unanswered, &self.shared.spooled].map(|count| count.swap(0, Relaxed));
        if let Some(connection) = self.shared.link.current()
            && unanswered + spooled > 0
        {
            let mut frame = Vec::new();
            Request::Alone { unanswered, spooled }.write(&mut frame);
            let _turn = lock(&self.shared.sending);
            drop(send(&connection, &frame, None)); // it is gone again: nobody is told
        }
    }
}

fn send(connection: &Connection, frame: &[u8], body: Option<&Held>) -> std::io::Result<()> {
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
        self.tell_what_was_done_alone();
        self.drain.finish();
    }
}

impl Shared {
    /// Sends a request, or settles it here where that is not possible.
    fn ask(&self, id: i64, ask: Ask) {
        let mut frame = Vec::with_capacity(96);
        let body = match &ask {
            Ask::Get(action) => {
                Request::Get { action: *action }.write(&mut frame);
                None
            }
            Ask::Put(Put { action, output, size }, body, None) => {
                Request::Put { action: *action, output: *output, size: *size }.write(&mut frame);
                Some(body.clone())
            }
            Ask::Put(Put { action, output, size }, body, Some(list)) => {
                let inputs = list.len() as u64;
                Request::PutTest { action: *action, output: *output, size: *size, inputs }.write(&mut frame);
                frame.extend_from_slice(list);
                Some(body.clone())
            }
        };
        // Answers come in the order in which requests were sent, and nothing follows one that was cut off.
        let _turn = lock(&self.sending);
        match self.link.begin(Pending { id, ask, since: Instant::now() }) {
            Ok(connection) => {
                if send(&connection, &frame, body.as_deref()).is_err() {
                    self.fail(&connection);
                }
            }
            Err(pending) => {
                self.unanswered.fetch_add(1, Relaxed);
                self.settle(&pending);
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

    /// The second thread: reads answers for ever, from one connection after the other. It ends with the process.
    fn read_answers(&self, mut connection: Option<Arc<Connection>>) {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(connection) = connection.take() {
                let ended = self.read_from(&connection);
                self.fail(&connection);
                pause = match ended {
                    Ended::Broken { answered: true } => FIRST_PAUSE,
                    Ended::Broken { answered: false } => pause,
                    // It may say hello and hang again: each time costs whoever asks a wait.
                    Ended::Overdue => {
                        self.silence.note();
                        (pause * 2).max(AFTER_SILENCE)
                    }
                };
            }
            thread::sleep(pause);
            pause = (pause * 2).min(if pause < AFTER_SILENCE { LONGEST_PAUSE } else { LONGEST_SILENCE });
            if let Ok(new) = connect(&self.socket, &self.hello) {
                let new = Arc::new(new);
                self.link.set(new.clone());
                connection = Some(new);
            }
        }
    }

    /// Passes answers on until the connection ends or an answer is overdue.
    fn read_from(&self, connection: &Arc<Connection>) -> Ended {
        let mut input = BufReader::with_capacity(4096, &connection.stream);
        let mut answered = false;
        loop {
            match input.fill_buf().map(<[u8]>::is_empty) {
                Ok(false) => {}
                Ok(true) => return Ended::Broken { answered },
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.link.is_overdue() {
                        return Ended::Overdue;
                    }
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ended::Broken { answered },
            }
            // Within a frame there is no waiting: a daemon writes each in one piece.
            let Ok(Some(reply)) = Reply::read(&mut input) else { return Ended::Broken { answered } };
            let Some(pending) = self.link.take(connection) else { return Ended::Broken { answered } };
            self.answer(pending, reply, connection);
            if !std::mem::replace(&mut answered, true) {
                self.silence.is_over();
            }
        }
    }

    /// Answers a request to which the daemon replied.
    fn answer(&self, pending: Pending, reply: Reply, connection: &Connection) {
        let path = |output| format!("{}/{output}", connection.outputs);
        match (&pending.ask, reply) {
            (Ask::Get(_), Reply::HitIf { inputs, output, size, time }) if size <= limits::TEST_BODY => {
                let hit = Hit { output, size, time: time.into(), path: path(output) };
                self.hand_over(Job::Offer { pending, hit, list: path(inputs).into() });
            }
            (_, reply) => {
                // A fault in here must not leave cmd/go waiting.
                if catch_unwind(AssertUnwindSafe(|| self.pass_on(&pending, reply, connection))).is_err() {
                    self.settle(&pending);
                }
                self.link.answered();
            }
        }
    }

    fn pass_on(&self, pending: &Pending, reply: Reply, connection: &Connection) {
        let path = |output| format!("{}/{output}", connection.outputs);
        match (&pending.ask, reply) {
            (Ask::Get(action), Reply::Hit { output, size, time }) => {
                let hit = Hit { output, size, time: time.into(), path: path(output) };
                if is_there(&hit) && self.plain.as_ref().is_none_or(|plain| plain.admits(action, &hit)) {
                    self.answers.hit(pending.id, &hit);
                } else {
                    self.settle(pending);
                }
            }
            (Ask::Put(put, ..), Reply::Stored { time }) => {
                let hit = Hit { output: put.output, size: put.size, time: time.into(), path: path(put.output) };
                if is_there(&hit) {
                    self.own.remember(put.action, hit.clone());
                    self.answers.stored(pending.id, &hit.path);
                } else {
                    self.settle(pending); // the build's directory was removed, say
                }
            }
            (Ask::Put(..), Reply::Refused(Refusal::Digest)) => {
                self.answers.error(pending.id, &proto::RequestError::BodyDigest.to_string());
            }
            // Nothing found, no space, too large for a test's result, or an answer of the wrong kind.
            (Ask::Get(_), Reply::HitIf { .. } | Reply::Miss | Reply::Stored { .. } | Reply::Refused(_))
            | (
                Ask::Put(..),
                Reply::Miss | Reply::Hit { .. } | Reply::HitIf { .. } | Reply::Refused(Refusal::Storage),
            )
            | (_, Reply::Summary(_) | Reply::Why(_)) => {
                self.settle(pending);
            }
        }
    }

    /// Answers without the daemon, whatever happens.
    fn settle(&self, pending: &Pending) {
        let settled = catch_unwind(AssertUnwindSafe(|| match &pending.ask {
            Ask::Get(action) => {
                let hit = self.spool().get(action);
                match hit {
                    Some(hit) => self.answers.hit(pending.id, &hit),
                    None => self.answers.miss(pending.id),
                }
            }
            Ask::Put(put, body, _) => self.spool_put(pending.id, put, body),
        }));
        match (settled, &pending.ask) {
            (Ok(()), _) => {}
            (Err(_), Ask::Get(_)) => self.answers.miss(pending.id),
            (Err(_), Ask::Put(..)) => self.answers.stored(pending.id, NOWHERE),
        }
    }

    fn spool_put(&self, id: i64, put: &Put, body: &Held) {
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

    fn fail(&self, connection: &Arc<Connection>) {
        for pending in self.link.fail(connection) {
            self.unanswered.fetch_add(1, Relaxed);
            self.settle(&pending);
            self.link.answered();
        }
    }

    fn spool(&self) -> MutexGuard<'_, Local> {
        lock(&self.spool)
    }
}

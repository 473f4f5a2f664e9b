//! The connection to the daemon with all that it owes an answer to. Who takes a [`Pending`] out answers it, then says so:
//! each request is answered once, however a connection ends, and the end of all is known.
//!
//! An answer that is late concerns its request alone: that one is answered without the daemon, and what the daemon says to it
//! later is dropped. The daemon itself is given up where it leaves out what costs it nothing to answer (a probe, sent when it was
//! silent for a second although something is outstanding), where it takes a body in so slowly that its put is late before all of
//! it was sent (cmd/go is not read meanwhile), or where [`MOST_LATE`] requests in a row were late: then each further one would
//! cost the go command a wait.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use proto::wire::{Hello, Request};
use proto::{ActionId, FrameError};
use transport::{ConnectError, Connection};

use crate::gocmd::cache::Put;
use crate::put_body::Held;
use crate::locks::lock;

/// How often the reader of answers looks up to see whether one is overdue.
pub(crate) const LOOK_UP: Duration = Duration::from_millis(250);

/// How long the daemon may take for an answer; then the request is answered without it.
const ANSWER: Duration = Duration::from_secs(2);

/// After so long without a word from the daemon it is probed, and it has as long to answer.
const PROBE: Duration = Duration::from_secs(1);

/// A large body takes longer to be written, at this pace on a slow disk, and what is sent after it waits for that.
const SLOW_DISK: u64 = 20 << 20;

/// Requests that may be late one after the other, without one that was answered in time.
const MOST_LATE: usize = 4;

/// Opens a session, for a reader that looks up now and then.
pub(crate) fn connect(socket: &Path, hello: &Hello) -> Result<Connection, ConnectError> {
    let connection = transport::open(socket, hello)?;
    connection.stream.set_read_timeout(Some(LOOK_UP)).map_err(FrameError::from)?;
    Ok(connection)
}

/// A request that waits for the daemon.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The id that cmd/go gave it.
    pub(crate) id: i64,
    pub(crate) ask: Ask,
    /// Where it was sent, and its id there.
    pub(crate) connection: Arc<Connection>,
    pub(crate) wire_id: u32,
    since: Instant,
    due: Instant,
}

/// What was asked.
#[derive(Debug)]
pub(crate) enum Ask {
    Get(ActionId),
    /// With the list of what a test looked at, if it is a test's result.
    Put(Put, Arc<Held>, Option<Arc<[u8]>>),
}

impl Ask {
    /// Bytes that the daemon has to write before it answers.
    fn body(&self) -> u64 {
        match self {
            Self::Get(_) => 0,
            Self::Put(put, ..) => put.size,
        }
    }
}

/// A request that is listed and is to be sent now.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) connection: Arc<Connection>,
    pub(crate) wire_id: u32,
    /// What is to be sent before it.
    pub(crate) notices: Vec<u8>,
}

/// To whom a reply belongs.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It answers this request.
    Pending(Box<Pending>),
    /// To a request that was answered without the daemon, or to a probe.
    Late,
    /// To nothing that was ever asked.
    Nobodys,
}

/// What a look at the connection found.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Well,
    /// The daemon is to be probed.
    Silence,
    /// The daemon is to be given up.
    Dead,
}

/// The connection of the moment, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Guards all of it; no I/O happens while it is held.
    state: Mutex<State>,
    /// Told when nothing is owed any more and somebody waits for that.
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// By their ids on the connection.
    pending: HashMap<u32, Pending>,
    /// Bytes of the bodies among them.
    bodies: u64,
    /// The one whose body is being sent: nothing else is, meanwhile.
    sending: Option<u32>,
    /// Requests begun and not yet answered: the pending ones, and those taken out.
    owed: usize,
    is_waited_for: bool,
    /// When the daemon last said something.
    heard: Option<Instant>,
    /// When it has to have said something.
    probe_due: Option<Instant>,
    /// Requests that were late since the last one that was not.
    late: usize,
    /// Notices that go with the next request.
    notices: Vec<u8>,
}

impl Link {
    pub(crate) fn set(&self, connection: Arc<Connection>) {
        let mut state = self.state();
        state.connection = Some(connection);
        state.heard = Some(Instant::now());
    }

    /// The connection, if there is one.
    pub(crate) fn current(&self) -> Option<Arc<Connection>> {
        self.state().connection.clone()
    }

    /// The connection with the notices that wait, if there are both.
    pub(crate) fn take_notices(&self) -> Option<(Arc<Connection>, Vec<u8>)> {
        let mut state = self.state();
        let connection = state.connection.clone().filter(|_| !state.notices.is_empty())?;
        Some((connection, std::mem::take(&mut state.notices)))
    }

    /// Lists a request that is about to be sent; gives it back where there is no connection.
    pub(crate) fn begin(&self, id: i64, ask: Ask) -> Result<Begun, Ask> {
        let mut state = self.state();
        let Some(connection) = state.connection.clone() else { return Err(ask) };
        let (wire_id, since) = (connection.next_id(), Instant::now());
        state.bodies += ask.body();
        state.sending = (ask.body() > 0).then_some(wire_id);
        let due = since + ANSWER + state.slow_disk();
        let pending = Pending { id, ask, connection: connection.clone(), wire_id, since, due };
        state.pending.insert(wire_id, pending);
        state.owed += 1;
        Ok(Begun { connection, wire_id, notices: std::mem::take(&mut state.notices) })
    }

    /// The body of the request that was begun last is sent.
    pub(crate) fn sent(&self) {
        self.state().sending = None;
    }

    /// A notice for the daemon, which goes with the next request.
    pub(crate) fn tell(&self, connection: &Arc<Connection>, wire_id: u32, notice: &Request) {
        let mut state = self.state();
        // On another connection the id is another request's.
        if state.is(connection) {
            notice.write(wire_id, &mut state.notices);
        }
    }

    /// The daemon said something to the request with this id.
    pub(crate) fn take(&self, connection: &Arc<Connection>, wire_id: u32, now: Instant) -> Taken {
        let mut state = self.state();
        if !state.is(connection) {
            return Taken::Late; // failed meanwhile, by the other thread
        }
        (state.heard, state.probe_due) = (Some(now), None);
        match state.pending.remove(&wire_id) {
            Some(pending) => {
                state.late = 0;
                state.bodies -= pending.ask.body();
                Taken::Pending(Box::new(pending))
            }
            None if connection.has_given(wire_id) => Taken::Late,
            None => Taken::Nobodys,
        }
    }

    /// Looks for requests whose answers are late, which are not waited for any more, and at the daemon itself.
    pub(crate) fn look(&self, connection: &Arc<Connection>, now: Instant) -> (Vec<Pending>, Found) {
        let mut state = self.state();
        if !state.is(connection) {
            return (Vec::new(), Found::Well); // whoever failed it has shut it down
        }
        let is_old = state.pending.values().any(|pending| now.duration_since(pending.since) >= PROBE);
        let late = in_order(state.pending.extract_if(|_, pending| pending.due <= now));
        state.late += late.len();
        let is_stuck = late.iter().any(|late| Some(late.wire_id) == state.sending);
        let slow_disk = state.slow_disk();
        state.bodies -= late.iter().map(|late| late.ask.body()).sum::<u64>();
        let is_silent = state.heard.is_none_or(|heard| now.duration_since(heard) >= PROBE);
        let found = match state.probe_due {
            Some(due) if due <= now => Found::Dead,
            _ if is_stuck || state.late >= MOST_LATE => Found::Dead,
            None if is_silent && is_old => {
                state.probe_due = Some(now + PROBE + slow_disk);
                Found::Silence
            }
            _ => Found::Well,
        };
        (late, found)
    }

    /// The probe could not be sent now: the daemon owes no answer to it.
    pub(crate) fn was_not_probed(&self) {
        self.state().probe_due = None;
    }

    /// A request that is not begun yet is to be waited for as well, until it is [`Link::answered`].
    pub(crate) fn owe(&self) {
        self.state().owed += 1;
    }

    /// A request that was taken is answered.
    pub(crate) fn answered(&self) {
        let mut state = self.state();
        state.owed -= 1;
        // Telling costs a system call, and almost always nobody waits.
        if state.owed == 0 && state.is_waited_for {
            self.settled.notify_all();
        }
    }

    /// Ends a connection and takes all that waits for it.
    #[must_use]
    pub(crate) fn fail(&self, connection: &Arc<Connection>) -> Vec<Pending> {
        let mut state = self.state();
        if !state.is(connection) {
            return Vec::new();
        }
        // Wakes the other thread, should it read or write there.
        drop(connection.stream.shutdown(std::net::Shutdown::Both));
        let (owed, is_waited_for) = (state.owed, state.is_waited_for);
        let over = std::mem::replace(&mut *state, State { owed, is_waited_for, ..State::default() });
        in_order(over.pending)
    }

    /// Waits until all is answered. The reader of answers sees to the deadlines.
    pub(crate) fn wait_until_settled(&self, at_most: Duration) {
        let mut state = self.state();
        state.is_waited_for = true;
        let waited = self.settled.wait_timeout_while(state, at_most, |state| state.owed > 0);
        drop(waited);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// As they were sent: a get that follows a put is answered with it.
fn in_order(pending: impl IntoIterator<Item = (u32, Pending)>) -> Vec<Pending> {
    let mut all: Vec<_> = pending.into_iter().map(|(_, pending)| pending).collect();
    all.sort_unstable_by_key(|pending| pending.wire_id);
    all
}

impl State {
    fn is(&self, connection: &Arc<Connection>) -> bool {
        self.connection.as_ref().is_some_and(|now| Arc::ptr_eq(now, connection))
    }

    /// How long the daemon may take for the bodies that it has not answered.
    fn slow_disk(&self) -> Duration {
        Duration::from_secs(self.bodies / SLOW_DISK)
    }
}

//! The connection to the daemon and the requests that wait for its replies. The code that takes an [`InFlightRequest`] out answers
//! it, and then calls [`InFlight::finish_one`]: so each request is answered once, however a connection ends, and it is known when
//! all are answered.
//!
//! A reply that is late concerns its request alone: that request is answered locally, and a reply that comes later is dropped.
//! The connection is given up in three cases: the daemon does not reply to a probe, which costs it nothing (it is sent after a
//! second without any reply while a request waits); it reads a body so slowly that its put is late before all of it was sent
//! (cmd/go is not read meanwhile); or [`MAX_LATE`] requests in a row were late, since each further one would make the go command
//! wait.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use proto::FrameError;
use proto::wire::{Hello, Request};
use transport::{ConnectError, Connection};

use crate::mutex::lock;

use super::operation::Operation;

/// How often the thread that reads replies checks whether one is overdue.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How long the daemon may take to reply; then the request is answered locally.
const REPLY: Duration = Duration::from_secs(2);

/// The daemon is probed after this time without a reply, and has the same time to reply to the probe.
const PROBE: Duration = Duration::from_secs(1);

/// Bytes a second that a slow disk writes. A large body takes that much longer, and so do the requests that are sent after it.
const SLOW_DISK: u64 = 20 << 20;

/// Requests that may be late in a row, without one that was answered in time.
const MAX_LATE: usize = 4;

/// Opens a session whose reads return after [`CHECK_INTERVAL`].
pub(super) fn connect(socket: &Path, hello: &Hello) -> Result<Connection, ConnectError> {
    let connection = transport::open(socket, hello)?;
    connection.stream.set_read_timeout(Some(CHECK_INTERVAL)).map_err(FrameError::from)?;
    Ok(connection)
}

/// A request that waits for the daemon's reply.
#[derive(Debug)]
pub(super) struct InFlightRequest {
    /// The id that cmd/go gave it.
    pub(super) id: i64,
    pub(super) operation: Operation,
    /// The connection that it was sent on, and its id there.
    pub(super) connection: Arc<Connection>,
    pub(super) wire_id: u32,
    since: Instant,
    due: Instant,
}

/// A request that was registered and is to be sent now.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) connection: Arc<Connection>,
    pub(super) wire_id: u32,
    /// What is to be sent before it.
    pub(super) notices: Vec<u8>,
}

/// The request that a reply belongs to.
#[derive(Debug)]
pub(super) enum ReplyTo {
    InFlight(Box<InFlightRequest>),
    /// A request that was answered locally meanwhile, or a probe.
    Late,
    /// No request of this connection: the daemon breaks the protocol.
    Unknown,
}

/// What the deadlines say about the daemon.
#[derive(Debug)]
pub(super) enum DaemonState {
    Responsive,
    /// It is to be probed.
    Silent,
    /// It is to be given up.
    Dead,
}

/// The current connection, if there is one, with its requests.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// Guards all of it; no I/O happens while it is held.
    state: Mutex<State>,
    /// Notified when no request is outstanding any more and a thread waits for that.
    all_answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// By their ids on the connection.
    requests: HashMap<u32, InFlightRequest>,
    /// Bytes of the bodies among them.
    bodies: u64,
    /// The request whose body is being sent. Nothing else is sent meanwhile.
    sending: Option<u32>,
    /// Requests without an answer: those in `requests`, and those that were taken out of it.
    outstanding: usize,
    is_waited_for: bool,
    /// When the daemon replied last.
    last_reply: Option<Instant>,
    /// When it has to have replied to the probe.
    probe_due: Option<Instant>,
    /// Requests that were late in a row.
    late: usize,
    /// Notices that are sent with the next request.
    notices: Vec<u8>,
}

impl InFlight {
    pub(super) fn set(&self, connection: Arc<Connection>) {
        let mut state = self.state();
        state.connection = Some(connection);
        state.last_reply = Some(Instant::now());
    }

    /// The connection, if there is one.
    pub(super) fn current(&self) -> Option<Arc<Connection>> {
        self.state().connection.clone()
    }

    /// Takes the notices that wait, with the connection they are for.
    pub(super) fn take_notices(&self) -> Option<(Arc<Connection>, Vec<u8>)> {
        let mut state = self.state();
        let connection = state.connection.clone().filter(|_| !state.notices.is_empty())?;
        Some((connection, std::mem::take(&mut state.notices)))
    }

    /// Registers a request that is about to be sent; gives it back where there is no connection.
    pub(super) fn register(&self, id: i64, operation: Operation) -> Result<Registered, Operation> {
        let mut state = self.state();
        let Some(connection) = state.connection.clone() else { return Err(operation) };
        let (wire_id, since) = (connection.next_id(), Instant::now());
        state.bodies += operation.body_size();
        state.sending = (operation.body_size() > 0).then_some(wire_id);
        let due = since + REPLY + state.slow_disk();
        let request = InFlightRequest { id, operation, connection: connection.clone(), wire_id, since, due };
        state.requests.insert(wire_id, request);
        state.outstanding += 1;
        Ok(Registered { connection, wire_id, notices: std::mem::take(&mut state.notices) })
    }

    /// The body of the request that was registered last is sent.
    pub(super) fn body_sent(&self) {
        self.state().sending = None;
    }

    /// Queues a notice for the daemon, which is sent with the next request.
    pub(super) fn queue_notice(&self, connection: &Arc<Connection>, wire_id: u32, notice: &Request) {
        let mut state = self.state();
        // On another connection the id is another request's.
        if state.has(connection) {
            notice.write(wire_id, &mut state.notices);
        }
    }

    /// Takes out the request with this id, to which the daemon replied.
    pub(super) fn take(&self, connection: &Arc<Connection>, wire_id: u32, now: Instant) -> ReplyTo {
        let mut state = self.state();
        if !state.has(connection) {
            return ReplyTo::Late; // the other thread closed it meanwhile
        }
        (state.last_reply, state.probe_due) = (Some(now), None);
        match state.requests.remove(&wire_id) {
            Some(request) => {
                state.late = 0;
                state.bodies -= request.operation.body_size();
                ReplyTo::InFlight(Box::new(request))
            }
            None if connection.has_issued(wire_id) => ReplyTo::Late,
            None => ReplyTo::Unknown,
        }
    }

    /// Takes out the requests that are late, and tells in which state the daemon is.
    pub(super) fn check_deadlines(
        &self,
        connection: &Arc<Connection>,
        now: Instant,
    ) -> (Vec<InFlightRequest>, DaemonState) {
        let mut state = self.state();
        if !state.has(connection) {
            return (Vec::new(), DaemonState::Responsive); // the other thread has closed it
        }
        let is_old = state.requests.values().any(|request| now.duration_since(request.since) >= PROBE);
        let late = in_order(state.requests.extract_if(|_, request| request.due <= now));
        state.late += late.len();
        let is_stuck = late.iter().any(|late| Some(late.wire_id) == state.sending);
        let slow_disk = state.slow_disk();
        state.bodies -= late.iter().map(|late| late.operation.body_size()).sum::<u64>();
        let is_silent = state.last_reply.is_none_or(|last| now.duration_since(last) >= PROBE);
        let daemon = match state.probe_due {
            Some(due) if due <= now => DaemonState::Dead,
            _ if is_stuck || state.late >= MAX_LATE => DaemonState::Dead,
            None if is_silent && is_old => {
                state.probe_due = Some(now + PROBE + slow_disk);
                DaemonState::Silent
            }
            _ => DaemonState::Responsive,
        };
        (late, daemon)
    }

    /// The probe could not be sent, so no reply to it is due.
    pub(super) fn cancel_probe(&self) {
        self.state().probe_due = None;
    }

    /// Counts a request that is not registered yet as outstanding, until [`InFlight::finish_one`].
    pub(super) fn add_outstanding(&self) {
        self.state().outstanding += 1;
    }

    /// An outstanding request was answered.
    pub(super) fn finish_one(&self) {
        let mut state = self.state();
        state.outstanding -= 1;
        // A notification costs a system call, and almost always no thread waits.
        if state.outstanding == 0 && state.is_waited_for {
            self.all_answered.notify_all();
        }
    }

    /// Closes a connection and takes out all requests that were sent on it.
    #[must_use]
    pub(super) fn close(&self, connection: &Arc<Connection>) -> Vec<InFlightRequest> {
        let mut state = self.state();
        if !state.has(connection) {
            return Vec::new();
        }
        // Wakes the other thread if it reads or writes there.
        drop(connection.stream.shutdown(std::net::Shutdown::Both));
        let (outstanding, is_waited_for) = (state.outstanding, state.is_waited_for);
        let closed = std::mem::replace(&mut *state, State { outstanding, is_waited_for, ..State::default() });
        in_order(closed.requests)
    }

    /// Waits until all requests are answered. The thread that reads replies keeps the deadlines.
    pub(super) fn wait_until_answered(&self, at_most: Duration) {
        let mut state = self.state();
        state.is_waited_for = true;
        let waited = self.all_answered.wait_timeout_while(state, at_most, |state| state.outstanding > 0);
        drop(waited);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// In the order in which they were sent, so that a get after a put finds what was put.
fn in_order(requests: impl IntoIterator<Item = (u32, InFlightRequest)>) -> Vec<InFlightRequest> {
    let mut all: Vec<_> = requests.into_iter().map(|(_, request)| request).collect();
    all.sort_unstable_by_key(|request| request.wire_id);
    all
}

impl State {
    fn has(&self, connection: &Arc<Connection>) -> bool {
        self.connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection))
    }

    /// How long the daemon may take to write the bodies that it has not replied to.
    fn slow_disk(&self) -> Duration {
        Duration::from_secs(self.bodies / SLOW_DISK)
    }
}

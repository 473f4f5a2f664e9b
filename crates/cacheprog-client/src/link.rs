//! The connection to the daemon with all that it owes an answer to. Who takes a [`Pending`] out answers it, then says so:
//! each request is answered once, however a connection ends, and the end of all is known.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use proto::wire::Hello;
use proto::{ActionId, FrameError};
use transport::{ConnectError, Connection};

use crate::cache::Put;
use crate::held::Held;
use crate::sync::lock;

/// How often the reader of answers looks up to see whether one is overdue.
const LOOK_UP: Duration = Duration::from_millis(250);

/// How long the daemon may take for an answer; then the connection is given up, and everything goes on without it.
const ANSWER: Duration = Duration::from_secs(2);

/// A large body takes longer to be written, at this pace on a slow disk.
const SLOW_DISK: u64 = 20 << 20;

/// Opens a session, for a reader that looks up now and then.
pub(crate) fn connect(socket: &Path, hello: &Hello) -> Result<Connection, ConnectError> {
    let connection = transport::open(socket, hello)?;
    connection.stream.set_read_timeout(Some(LOOK_UP)).map_err(FrameError::from)?;
    Ok(connection)
}

/// A request that waits for the daemon.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) id: i64,
    pub(crate) ask: Ask,
    pub(crate) since: Instant,
}

/// What was asked.
#[derive(Debug)]
pub(crate) enum Ask {
    Get(ActionId),
    /// With the list of what a test looked at, if it is a test's result.
    Put(Put, Arc<Held>, Option<Arc<[u8]>>),
}

impl Pending {
    fn is_overdue(&self) -> bool {
        let patience = match &self.ask {
            Ask::Get(_) => ANSWER,
            Ask::Put(put, ..) => ANSWER + Duration::from_secs(put.size / SLOW_DISK),
        };
        self.since.elapsed() > patience
    }
}

/// The connection of the moment, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Guards both fields; no I/O happens while it is held.
    state: Mutex<State>,
    /// Told when nothing is owed any more.
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// In the order in which they were sent, which is the order of the answers.
    pending: VecDeque<Pending>,
    /// Requests begun and not yet answered: the pending ones, and those taken out.
    owed: usize,
}

impl Link {
    pub(crate) fn set(&self, connection: Arc<Connection>) {
        self.state().connection = Some(connection);
    }

    /// The connection, if there is one.
    pub(crate) fn current(&self) -> Option<Arc<Connection>> {
        self.state().connection.clone()
    }

    /// Lists a request that is about to be sent; gives it back where there is no connection.
    pub(crate) fn begin(&self, pending: Pending) -> Result<Arc<Connection>, Pending> {
        let mut state = self.state();
        match state.connection.clone() {
            Some(connection) => {
                state.pending.push_back(pending);
                state.owed += 1;
                Ok(connection)
            }
            None => Err(pending),
        }
    }

    /// Takes the request to which an answer came.
    pub(crate) fn take(&self, connection: &Arc<Connection>) -> Option<Pending> {
        let mut state = self.state();
        if !state.is(connection) {
            return None; // failed meanwhile, by the other thread
        }
        state.pending.pop_front()
    }

    /// A request that is not begun yet is to be waited for as well, until it is [`Link::answered`].
    pub(crate) fn owe(&self) {
        self.state().owed += 1;
    }

    /// A request that was taken is answered.
    pub(crate) fn answered(&self) {
        let mut state = self.state();
        state.owed -= 1;
        if state.owed == 0 {
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
        state.connection = None;
        // Wakes the other thread, should it read or write there.
        drop(connection.stream.shutdown(std::net::Shutdown::Both));
        state.pending.drain(..).collect()
    }

    pub(crate) fn is_overdue(&self) -> bool {
        self.state().pending.front().is_some_and(Pending::is_overdue)
    }

    /// Waits until all is answered. The reader of answers sees to the deadlines.
    pub(crate) fn wait_until_settled(&self, at_most: Duration) {
        let waited = self.settled.wait_timeout_while(self.state(), at_most, |state| state.owed > 0);
        drop(waited);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn is(&self, connection: &Arc<Connection>) -> bool {
        self.connection.as_ref().is_some_and(|now| Arc::ptr_eq(now, connection))
    }
}

//! The server: accepts connections, hands each request to a thread, and ends all of them.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, Scope};
use std::time::Duration;

use crate::connection::{Connection, refuse};
use crate::exchange;
use crate::faults::Rule;
use crate::mutex::lock;
use crate::request_log::{Logged, Totals};
use crate::settings::Settings;
use crate::state::State;
use crate::store::Store;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of objects.
    #[error("reading the objects of {0:?}: {1}")]
    Store(Option<std::path::PathBuf>, #[source] io::Error),
    /// The address.
    #[error("listening on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// `tiny_http` behind it.
    #[error("starting tiny_http: {0}")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Double {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: State,
    /// By the address from which the connection is passed on to `tiny_http`.
    connections: Mutex<HashMap<SocketAddr, Arc<Connection>>>,
    stopping: AtomicBool,
}

impl Double {
    /// Starts a server.
    ///
    /// # Errors
    /// A [`StartError`].
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let (listen, dir) = (settings.listen, settings.dir.clone());
        let state = State::new(settings).map_err(|error| StartError::Store(dir, error))?;
        let failed = |error| StartError::Listen(listen, error);
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let http = tiny_http::Server::http((Ipv4Addr::LOCALHOST, 0)).map_err(StartError::Http)?;
        let shared = Shared { state, connections: Mutex::default(), stopping: AtomicBool::new(false) };
        let shared = Arc::new(shared);
        let thread = {
            let shared = Arc::clone(&shared);
            named("s3-double").spawn(move || shared.run(&listener, &http)).map_err(failed)?
        };
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a rule for faults, after those that there are.
    pub fn add_rule(&self, rule: Rule) {
        self.shared.state.faults.add([rule]);
    }

    /// Removes all rules.
    pub fn clear_rules(&self) {
        self.shared.state.faults.clear();
    }

    /// Moves the clock of the store ahead.
    pub fn advance(&self, time: Duration) {
        self.shared.state.clock.advance(time.as_secs().cast_signed());
    }

    /// Moves it back.
    pub fn put_back(&self, time: Duration) {
        self.shared.state.clock.advance(-time.as_secs().cast_signed());
    }

    /// All requests since the start or the last reset, except those below `/-/`.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        self.shared.state.log.requests()
    }

    /// Their sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.state.log.totals()
    }

    /// Empties log and totals.
    pub fn reset_log(&self) {
        self.shared.state.log.reset();
    }

    /// The objects, to look at and to damage.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.state.store
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join()); // a panic was reported when it happened
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(TcpStream::connect(self.address)); // wakes the thread that accepts
            drop(thread.join());
        }
    }
}

impl Shared {
    fn run(&self, listener: &TcpListener, http: &tiny_http::Server) {
        thread::scope(|scope| {
            let accepting = move || self.accept(scope, listener, http);
            if spawn(scope, "accept", accepting).is_err() {
                return;
            }
            // An error is the end: `accept` unblocks it so.
            while let Ok(request) = http.recv() {
                let from = request.remote_addr().copied();
                let connection = from.and_then(|from| lock(&self.connections).get(&from).cloned());
                // Without one it came to tiny_http directly, past the door.
                let Some(connection) = connection else { continue };
                drop(spawn(scope, "request", move || exchange::serve(&self.state, &connection, request)));
            }
        });
    }

    fn accept<'s>(&'s self, scope: &'s Scope<'s, '_>, listener: &TcpListener, http: &tiny_http::Server) {
        loop {
            let accepted = listener.accept();
            if self.stopping.load(Ordering::SeqCst) {
                break;
            }
            let Ok((client, peer)) = accepted else {
                thread::sleep(Duration::from_millis(100)); // without descriptors, or the client is gone
                continue;
            };
            self.state.log.connected();
            if self.state.faults.refuse_connection() {
                refuse(client);
            } else if let Some(to) = http.server_addr().to_ip() {
                drop(self.connect(scope, (client, peer), to)); // the client sees that it is closed
            }
        }
        for connection in lock(&self.connections).values() {
            connection.close();
        }
        http.unblock();
    }

    /// Passes a connection on to `tiny_http`.
    fn connect<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        (client, peer): (TcpStream, SocketAddr),
        to: SocketAddr,
    ) -> io::Result<()> {
        let inner = Arc::new(TcpStream::connect(to)?);
        inner.set_nodelay(true)?;
        let (id, up) = (inner.local_addr()?, Arc::clone(&inner));
        let connection = Arc::new(Connection::new(client, peer)?);
        let upward = Arc::clone(&connection);
        lock(&self.connections).insert(id, Arc::clone(&connection));
        spawn(scope, "up", move || upward.pass_up(&up))?;
        spawn(scope, "end", move || {
            // What tiny_http writes is no answer (see connection.rs); when it closes, all answers are sent.
            drop(io::copy(&mut &*inner, &mut io::sink()));
            lock(&self.connections).remove(&id);
            connection.close();
        })
    }
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned())
}

fn spawn<'s>(scope: &'s Scope<'s, '_>, name: &str, run: impl FnOnce() + Send + 's) -> io::Result<()> {
    named(name).spawn_scoped(scope, run).map(drop)
}

//! The daemon as the place where things are kept. One question at a time on a connection; who asks takes one that is idle,
//! or makes another. A daemon that does not answer costs a download, and is left alone for a while.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proto::wire::{Hello, Reply, Request};
use proto::{ActionId, FrameError, OutputId};
use transport::Connection;

use crate::cache::Found;
use crate::key;
use crate::sync::lock;

/// How long the daemon may take for an answer; for a body at the pace of a slow disk, 20 MiB a second.
const ANSWER: Duration = Duration::from_secs(2);
const SLOW_DISK: u64 = 20 << 20;

/// How long one write may stand still: the daemon reads a body while it writes it to its disk.
const STALLED: Duration = Duration::from_secs(10);

/// How long a daemon is left alone that did not answer.
const AWAY: Duration = Duration::from_secs(2);

/// Idle connections kept: as many as a go command downloads files at once.
const IDLE: usize = 10;

#[derive(Debug)]
pub(crate) struct Daemon {
    socket: PathBuf,
    /// Guards a list; no I/O happens while it is held.
    idle: Mutex<Vec<Connection>>,
    /// When it last failed. Guards a moment.
    failed: Mutex<Option<Instant>>,
}

impl Daemon {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), idle: Mutex::default(), failed: Mutex::default() }
    }

    pub(crate) fn get(&self, action: &ActionId) -> Option<Found> {
        let (connection, reply) = self.ask(&Request::Get { action: *action }, None)?;
        let Reply::Hit { output, size, .. } = reply else { return None };
        let file = File::open(format!("{}/{output}", connection.outputs)).ok()?;
        Some(Found { output, size, file })
    }

    pub(crate) fn put(&self, action: &ActionId, (output, size): (OutputId, u64), body: &File) -> bool {
        let put = Request::Put { action: *action, output, size };
        matches!(self.ask(&put, Some((body, size))), Some((_, Reply::Stored { .. })))
    }

    /// The answer, and on which connection it came; that one is idle again, but for its place.
    fn ask(&self, request: &Request, body: Option<(&File, u64)>) -> Option<(Place, Reply)> {
        // A daemon that was restarted left connections behind that end at the first use.
        while let Some(connection) = self.take_idle() {
            if let Ok(reply) = converse(&connection, request, body) {
                return Some((self.give_back(connection), reply));
            }
        }
        if lock(&self.failed).is_some_and(|failed| failed.elapsed() < AWAY) {
            return None;
        }
        let asked = transport::open(&self.socket, &Hello::new(key::namespace())).map_err(|e| e.to_string()).and_then(
            |connection| {
                let reply = converse(&connection, request, body).map_err(|e| e.to_string())?;
                Ok((connection, reply))
            },
        );
        match asked {
            Ok((connection, reply)) => Some((self.give_back(connection), reply)),
            Err(e) => {
                log::info!("going on without the daemon for {AWAY:?}: {e}");
                *lock(&self.failed) = Some(Instant::now());
                None
            }
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        lock(&self.idle).pop()
    }

    fn give_back(&self, connection: Connection) -> Place {
        let place = Place { outputs: connection.outputs.clone() };
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        place
    }
}

/// Where a connection's outputs are.
struct Place {
    outputs: String,
}

fn converse(connection: &Connection, request: &Request, body: Option<(&File, u64)>) -> Result<Reply, FrameError> {
    let stream = &connection.stream;
    let size = body.map_or(0, |(_, size)| size);
    stream.set_read_timeout(Some(ANSWER + Duration::from_secs(size / SLOW_DISK)))?;
    stream.set_write_timeout(Some(STALLED))?;
    connection.exchange(request, body)
}

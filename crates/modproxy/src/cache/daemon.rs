//! The cache of the daemon. Each connection carries one request at a time; a request takes an idle connection or makes a new
//! one. A daemon that does not answer is not asked again for a moment: files are downloaded meanwhile.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proto::wire::{Hello, Reply, Request};
use proto::{ActionId, FrameError, Output};
use transport::Connection;

use crate::mutex::lock;

use super::cached_file::CachedFile;
use super::key;

/// How long the daemon may take for a reply; with a body, as much longer as a slow disk takes for it (20 MiB a second).
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);
const SLOW_DISK_RATE: u64 = 20 << 20;

/// How long one write may wait: the daemon reads a body while it writes it to its disk.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the daemon is not asked after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Idle connections kept: as many as a go command downloads files at once.
const MAX_IDLE_CONNECTIONS: usize = 10;

#[derive(Debug)]
pub(crate) struct DaemonCache {
    socket: PathBuf,
    /// Guards a list; no I/O happens while it is held.
    idle: Mutex<Vec<Connection>>,
    /// When it last failed. Guards a time.
    last_failure: Mutex<Option<Instant>>,
}

impl DaemonCache {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), idle: Mutex::default(), last_failure: Mutex::default() }
    }

    pub(crate) fn get(&self, action: &ActionId) -> Option<CachedFile> {
        let (outputs, reply) = self.ask(&Request::Get { action: *action }, None)?;
        let Reply::Hit { output, .. } = reply else { return None };
        let file = File::open(format!("{outputs}/{}", output.id)).ok()?;
        Some(CachedFile { output, file })
    }

    pub(crate) fn put(&self, action: &ActionId, output: Output, body: &File) -> bool {
        let put = Request::Put { action: *action, output };
        matches!(self.ask(&put, Some((body, output.size))), Some((_, Reply::Stored { .. })))
    }

    /// The reply, with the directory of outputs that the daemon named on that connection.
    fn ask(&self, request: &Request, body: Option<(&File, u64)>) -> Option<(String, Reply)> {
        // After a restart of the daemon idle connections fail at their first use.
        while let Some(connection) = self.take_idle() {
            if let Ok(reply) = exchange(&connection, request, body) {
                return Some((self.return_idle(connection), reply));
            }
        }
        if lock(&self.last_failure).is_some_and(|failure| failure.elapsed() < RETRY_AFTER) {
            return None;
        }
        let answered = transport::open(&self.socket, &Hello::new(key::namespace()))
            .map_err(|e| e.to_string())
            .and_then(|connection| {
                let reply = exchange(&connection, request, body).map_err(|e| e.to_string())?;
                Ok((connection, reply))
            });
        match answered {
            Ok((connection, reply)) => Some((self.return_idle(connection), reply)),
            Err(e) => {
                log::info!("the daemon failed, retrying after {RETRY_AFTER:?}: {e}");
                *lock(&self.last_failure) = Some(Instant::now());
                None
            }
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        lock(&self.idle).pop()
    }

    fn return_idle(&self, connection: Connection) -> String {
        let outputs = connection.outputs.clone();
        let mut idle = lock(&self.idle);
        if idle.len() < MAX_IDLE_CONNECTIONS {
            idle.push(connection);
        }
        outputs
    }
}

fn exchange(connection: &Connection, request: &Request, body: Option<(&File, u64)>) -> Result<Reply, FrameError> {
    let stream = &connection.stream;
    let size = body.map_or(0, |(_, size)| size);
    stream.set_read_timeout(Some(REPLY_TIMEOUT + Duration::from_secs(size / SLOW_DISK_RATE)))?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    connection.exchange(request, body)
}

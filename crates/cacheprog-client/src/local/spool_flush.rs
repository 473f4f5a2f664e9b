//! Flushes the spool: hands its entries on to the daemon, on a thread and a connection of its own.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use proto::wire::{Hello, Reply, Request};
use transport::Connection;

use crate::environment::Environment;

use super::local_store::LocalStore;

/// How long the go command may wait for a flush at its end.
const WAIT_AT_END: Duration = Duration::from_millis(200);

/// How long a flush may take.
const MAX_TIME: Duration = Duration::from_secs(30);

const STACK: usize = 256 << 10;

/// A flush that runs, or none.
#[derive(Debug, Default)]
pub(crate) struct SpoolFlush(Option<JoinHandle<()>>);

impl SpoolFlush {
    /// Starts, where there is a spool and no other client flushes it.
    pub(crate) fn start(socket: &std::path::Path, environment: &Environment) -> Self {
        if !environment.spool.is_dir() {
            return Self::default();
        }
        let (socket, hello) = (PathBuf::from(socket), Hello::new(environment.toolchain.clone()));
        let mut spool = LocalStore::new(&environment.spool, environment);
        let lock = environment.spool.join("drain.lock");
        let run = move || {
            let Ok(lock) = File::create(lock) else { return };
            if let Err(TryLockError::WouldBlock | TryLockError::Error(_)) = lock.try_lock() {
                return; // another go command of this build does it
            }
            if let Ok(connection) = transport::open(&socket, &hello) {
                hand_on(&mut spool, &connection);
            }
        };
        Self(thread::Builder::new().name("spool-flush".to_owned()).stack_size(STACK).spawn(run).ok())
    }

    /// Waits a moment for its end. Entries that are not handed on by then stay in the spool.
    pub(crate) fn finish(&mut self) {
        let until = Instant::now() + WAIT_AT_END;
        while self.0.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn hand_on(spool: &mut LocalStore, connection: &Connection) {
    let until = Instant::now() + MAX_TIME;
    for (action, record) in spool.list() {
        let Some(file) = spool.file(&record).and_then(|path| File::open(path).ok()) else { continue };
        let put = Request::Put { action, output: record.output };
        let left = until.saturating_duration_since(Instant::now());
        // The kernel refuses a timeout of zero: then no time is left.
        if connection.stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match connection.exchange(&put, Some((&file, record.output.size))) {
            Ok(Reply::Stored { .. }) => spool.forget(&action, &record),
            Ok(Reply::Refused(_)) => {} // no space there yet
            _ => return,
        }
    }
}

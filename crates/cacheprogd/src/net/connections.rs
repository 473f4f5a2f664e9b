//! Connections that are served, each by a thread: counted, bounded, and ended when the daemon stops.
//!
//! `connection_table.rs` decides which connection is admitted; what is served over it, the caller passes as a function.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use proto::BuildId;
use rustix::net::{Shutdown, shutdown};

use super::accept_pause::LogRate;
use super::connection_table::{Activity, Admission, ConnectionTable, Key};
use crate::limits::{CLOSING_CONNECTIONS, CONNECTION_STACK, LAST_REQUESTS_WAIT};
use crate::mutex::lock;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A build in a sandbox.
    Build(BuildId),
    User(u32),
    /// An HTTP connection, which stays for one response: each is an owner of its own.
    Http(u64),
}

/// A connection being served.
#[derive(Debug)]
pub(crate) struct Connection<S = UnixStream> {
    pub(crate) stream: S,
    activity: Arc<Activity>,
    /// What the activity's times are since.
    epoch: Instant,
    was_closed: AtomicBool,
}

impl<S> Connection<S> {
    /// A request is under way until the guard is dropped: so long the connection is not closed for another.
    pub(crate) fn begin_request(&self) -> RequestGuard<'_> {
        self.activity.begin();
        RequestGuard { activity: &self.activity, epoch: self.epoch }
    }

    /// Whether it was closed to make room for another.
    pub(crate) fn was_closed(&self) -> bool {
        self.was_closed.load(Relaxed)
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct RequestGuard<'a> {
    activity: &'a Activity,
    epoch: Instant,
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        self.activity.end(self.epoch.elapsed());
    }
}

/// The connections being served, so that a stopping daemon can end them.
#[derive(Debug)]
pub(crate) struct Connections<S = UnixStream> {
    limit: usize,
    epoch: Instant,
    /// Guards nothing else; `ended` is notified of each thread that ends.
    inner: Mutex<Inner<S>>,
    ended: Condvar,
    /// For threads that could not be started. Guards nothing else.
    log_rate: Mutex<LogRate>,
}

#[derive(Debug)]
struct Inner<S> {
    /// Those that have a place.
    table: ConnectionTable<Owner>,
    /// Those that have a thread.
    running: HashMap<Key, Arc<Connection<S>>>,
}

impl<S: AsFd + Send + Sync + 'static> Connections<S> {
    /// At most so many at once, and so many of one owner.
    pub(crate) fn new(limit: usize, limit_per_owner: usize) -> Arc<Self> {
        let inner = Inner { table: ConnectionTable::new(limit, limit_per_owner), running: HashMap::new() };
        Arc::new(Self {
            limit,
            epoch: Instant::now(),
            inner: Mutex::new(inner),
            ended: Condvar::new(),
            log_rate: Mutex::default(),
        })
    }

    /// Serves a connection in a thread of its own. False where the limit is reached and it was refused.
    pub(crate) fn start<F>(self: &Arc<Self>, name: &str, (stream, owner): (S, Owner), serve: F) -> bool
    where
        F: FnOnce(&Connection<S>) + Send + 'static,
    {
        let Some((listed, connection)) = self.admit(stream, owner) else { return false };
        let run = move || {
            let _listed = listed;
            serve(&connection);
        };
        if let Err(e) = thread::Builder::new().name(name.to_owned()).stack_size(CONNECTION_STACK).spawn(run) {
            // `run` was dropped, and the connection with it.
            if lock(&self.log_rate).failed(Instant::now()) {
                log::error!("cannot start a thread: {e}; closing new connections until one can be started");
            }
            log::debug!("cannot start a thread: {e}");
        }
        true
    }

    fn admit(self: &Arc<Self>, stream: S, owner: Owner) -> Option<(Listed<S>, Arc<Connection<S>>)> {
        let mut inner = lock(&self.inner);
        if inner.running.len() >= self.limit + CLOSING_CONNECTIONS {
            return None;
        }
        match inner.table.admission(owner) {
            Admission::Free => {}
            Admission::Replace(other) => inner.close(other),
            Admission::Refused => return None,
        }
        let activity = Arc::new(Activity::new(self.epoch.elapsed()));
        let key = inner.table.add(owner, activity.clone());
        let connection = Connection { stream, activity, epoch: self.epoch, was_closed: AtomicBool::new(false) };
        let connection = Arc::new(connection);
        inner.running.insert(key, connection.clone());
        Some((Listed { connections: self.clone(), key }, connection))
    }

    /// Whether there is one.
    pub(crate) fn are_open(&self) -> bool {
        !lock(&self.inner).running.is_empty()
    }

    /// Lets every connection answer what it has read, then read the end of its input. Gets that wait for an object to be verified
    /// (`session/slow_gets.rs`) are not waited for: their client takes them for misses. Whether all have ended.
    pub(crate) fn finish(&self) -> bool {
        for connection in lock(&self.inner).running.values() {
            let _closed = shutdown(&connection.stream, Shutdown::Read); // an error: it is closed already
        }
        let inner = lock(&self.inner);
        let waited = self.ended.wait_timeout_while(inner, LAST_REQUESTS_WAIT, |inner| !inner.running.is_empty());
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }
}

impl<S: AsFd> Inner<S> {
    /// Its thread reads the end of its input and ends.
    fn close(&mut self, key: Key) {
        self.table.remove(key);
        if let Some(connection) = self.running.get(&key) {
            connection.was_closed.store(true, Relaxed);
            let _closed = shutdown(&connection.stream, Shutdown::Both); // an error: it is closed already
        }
    }
}

/// Removes a connection from the list when its thread ends, however that ends.
#[derive(Debug)]
struct Listed<S> {
    connections: Arc<Connections<S>>,
    key: Key,
}

impl<S> Drop for Listed<S> {
    fn drop(&mut self) {
        let mut inner = lock(&self.connections.inner);
        inner.table.remove(self.key);
        inner.running.remove(&self.key);
        drop(inner);
        self.connections.ended.notify_all();
    }
}

//! Connections that are served, each by a thread: counted, bounded, and ended when the daemon stops. Who gets a place is decided
//! by `connection_table.rs`.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use proto::BuildId;
use rustix::net::{Shutdown, shutdown};

use crate::connection_table::{Activity, Key, Table, Verdict};
use crate::pause::Told;
use crate::sync::lock;

/// A connection's thread needs little: its buffers are on the heap.
const STACK: usize = 512 << 10;

/// How long a stopping daemon waits for requests under way.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// Threads of connections that were closed for others and have not ended yet: their peers had asked nothing, so that they end at
/// once.
const MOST_ENDING: usize = 64;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A build in a sandbox.
    Build(BuildId),
    User(u32),
    /// One that stays for one answer, each another.
    Visitor(u64),
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
    pub(crate) fn request(&self) -> UnderWay<'_> {
        self.activity.begin();
        UnderWay { activity: &self.activity, epoch: self.epoch }
    }

    /// Whether it was closed to make room for another.
    pub(crate) fn was_closed(&self) -> bool {
        self.was_closed.load(Relaxed)
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay<'a> {
    activity: &'a Activity,
    epoch: Instant,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.activity.end(self.epoch.elapsed());
    }
}

/// The connections being served, so that a stopping daemon can end them.
#[derive(Debug)]
pub(crate) struct Sessions<S = UnixStream> {
    most: usize,
    epoch: Instant,
    /// Guards nothing else; `ended` is told of each thread that ends.
    inner: Mutex<Inner<S>>,
    ended: Condvar,
    /// Of threads that could not be had. Guards nothing else.
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Inner<S> {
    /// Those that have a place.
    table: Table<Owner>,
    /// Those that have a thread.
    running: HashMap<Key, Arc<Connection<S>>>,
}

impl<S: AsFd + Send + Sync + 'static> Sessions<S> {
    /// So many at once, and so many of one owner.
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        let inner = Inner { table: Table::new(most, most_of_one), running: HashMap::new() };
        Arc::new(Self {
            most,
            epoch: Instant::now(),
            inner: Mutex::new(inner),
            ended: Condvar::new(),
            told: Mutex::default(),
        })
    }

    /// Serves a connection in a thread of its own. Whether there was a place for it.
    pub(crate) fn start<F>(self: &Arc<Self>, name: &str, (stream, owner): (S, Owner), serve: F) -> bool
    where
        F: FnOnce(&Connection<S>) + Send + 'static,
    {
        let Some((listed, connection)) = self.list(stream, owner) else { return false };
        let run = move || {
            let _listed = listed;
            serve(&connection);
        };
        if let Err(e) = thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(run) {
            // `run` is gone, and the connection with it.
            if lock(&self.told).failed(Instant::now()) {
                log::error!("starting a thread: {e}; connections are closed until it is possible again");
            }
            log::debug!("starting a thread: {e}");
        }
        true
    }

    fn list(self: &Arc<Self>, stream: S, owner: Owner) -> Option<(Listed<S>, Arc<Connection<S>>)> {
        let mut inner = lock(&self.inner);
        if inner.running.len() >= self.most + MOST_ENDING {
            return None;
        }
        match inner.table.verdict(owner) {
            Verdict::Free => {}
            Verdict::InPlaceOf(other) => inner.close(other),
            Verdict::Full => return None,
        }
        let activity = Arc::new(Activity::new(self.epoch.elapsed()));
        let key = inner.table.add(owner, activity.clone());
        let connection = Connection { stream, activity, epoch: self.epoch, was_closed: AtomicBool::new(false) };
        let connection = Arc::new(connection);
        inner.running.insert(key, connection.clone());
        Some((Listed { sessions: self.clone(), key }, connection))
    }

    pub(crate) fn are_open(&self) -> bool {
        !lock(&self.inner).running.is_empty()
    }

    /// Lets every session answer what it has read, then see the end of its input. Gets that wait for an object to be read
    /// (aside.rs) are not waited for: their client makes misses of them.
    /// Whether all have ended.
    pub(crate) fn finish(&self) -> bool {
        for connection in lock(&self.inner).running.values() {
            let _gone = shutdown(&connection.stream, Shutdown::Read); // gone already: just as well
        }
        let inner = lock(&self.inner);
        let waited = self.ended.wait_timeout_while(inner, LAST_REQUESTS, |inner| !inner.running.is_empty());
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }
}

impl<S: AsFd> Inner<S> {
    /// Its thread sees the end of its input and ends.
    fn close(&mut self, key: Key) {
        self.table.remove(key);
        if let Some(connection) = self.running.get(&key) {
            connection.was_closed.store(true, Relaxed);
            let _gone = shutdown(&connection.stream, Shutdown::Both); // gone already: just as well
        }
    }
}

/// Takes a session off the list at its end, however it ends.
#[derive(Debug)]
struct Listed<S> {
    sessions: Arc<Sessions<S>>,
    key: Key,
}

impl<S> Drop for Listed<S> {
    fn drop(&mut self) {
        let mut inner = lock(&self.sessions.inner);
        inner.table.remove(self.key);
        inner.running.remove(&self.key);
        drop(inner);
        self.sessions.ended.notify_all();
    }
}

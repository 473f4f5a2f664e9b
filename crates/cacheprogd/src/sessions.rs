//! Connections that are served, each by a thread: counted, bounded, and ended when the daemon stops.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::sync::lock;

/// A session's thread needs little: its buffers are on the heap.
const STACK: usize = 256 << 10;

/// How long a stopping daemon waits for requests under way.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// The connections being served, so that a stopping daemon can end them.
#[derive(Debug)]
pub(crate) struct Sessions {
    most: usize,
    /// Guards the map; `ended` is told of each removal.
    open: Mutex<HashMap<u64, Arc<UnixStream>>>,
    ended: Condvar,
}

impl Sessions {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default(), ended: Condvar::new() })
    }

    pub(crate) fn start<F>(self: &Arc<Self>, name: &str, stream: UnixStream, serve: F)
    where
        F: FnOnce(&UnixStream) + Send + 'static,
    {
        let stream = Arc::new(stream);
        let Some(listed) = self.list(stream.clone()) else {
            log::debug!("{} connections at once: one more is turned away", self.most);
            return;
        };
        let run = move || {
            let _listed = listed;
            serve(&stream);
        };
        if let Err(e) = thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(run) {
            log::error!("starting a thread: {e}");
        }
    }

    fn list(self: &Arc<Self>, stream: Arc<UnixStream>) -> Option<Listed> {
        let mut open = lock(&self.open);
        if open.len() >= self.most {
            return None;
        }
        let key = Arc::as_ptr(&stream) as u64; // unique while it is listed
        open.insert(key, stream);
        Some(Listed { sessions: self.clone(), key })
    }

    pub(crate) fn are_open(&self) -> bool {
        !lock(&self.open).is_empty()
    }

    /// Lets every session answer what it has read, then see the end of its input.
    /// Whether all have ended.
    pub(crate) fn finish(&self) -> bool {
        for stream in lock(&self.open).values() {
            drop(stream.shutdown(std::net::Shutdown::Read)); // gone already: just as well
        }
        let open = lock(&self.open);
        let waited = self.ended.wait_timeout_while(open, LAST_REQUESTS, |open| !open.is_empty());
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }
}

/// Takes a session off the list at its end, however it ends.
#[derive(Debug)]
struct Listed {
    sessions: Arc<Sessions>,
    key: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.sessions.open).remove(&self.key);
        self.sessions.ended.notify_all();
    }
}

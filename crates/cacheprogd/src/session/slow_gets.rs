//! Gets whose objects must be verified before they can be served, or are on their way from another machine: on a second thread of their
//! session, so that later requests are not held up.
//!
//! What a get is answered with, handler/ decides; how long one waits for the other machine, remote/awaited.rs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, Scope};
use std::time::Instant;

use proto::ActionId;

use crate::limits::{SLOW_GETS, SLOW_GETS_STACK};
use crate::net::connections::RequestGuard;

/// A get that is to be answered there.
#[derive(Debug)]
pub(crate) struct Get<'a> {
    pub(crate) id: u32,
    pub(crate) action: ActionId,
    pub(crate) came: Instant,
    pub(crate) under_way: RequestGuard<'a>,
}

/// The queue of the thread, which starts when it is first needed. Once this is dropped, the thread ends after the get that it
/// answers.
pub(crate) struct SlowGets<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    serve: &'env (dyn Fn(Get<'env>) + Sync),
    is_over: Arc<AtomicBool>,
    queue: Option<SyncSender<Get<'env>>>,
}

impl fmt::Debug for SlowGets<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowGets").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl<'scope, 'env> SlowGets<'scope, 'env> {
    /// `serve` is called on the thread.
    pub(crate) fn new(scope: &'scope Scope<'scope, 'env>, serve: &'env (dyn Fn(Get<'env>) + Sync)) -> Self {
        Self { scope, serve, is_over: Arc::default(), queue: None }
    }

    /// Queues a get; returns it where too many wait, or no thread can be started.
    pub(crate) fn push(&mut self, get: Get<'env>) -> Result<(), Get<'env>> {
        if self.queue.is_none() {
            self.queue = self.start();
        }
        let Some(queue) = &self.queue else { return Err(get) };
        queue.try_send(get).map_err(|e| match e {
            TrySendError::Full(get) | TrySendError::Disconnected(get) => get,
        })
    }

    fn start(&self) -> Option<SyncSender<Get<'env>>> {
        let (queue, gets) = sync_channel(SLOW_GETS);
        let (serve, is_over) = (self.serve, self.is_over.clone());
        let run = move || gets.into_iter().take_while(|_| !is_over.load(Relaxed)).for_each(serve);
        let started =
            Builder::new().name("slow gets".to_owned()).stack_size(SLOW_GETS_STACK).spawn_scoped(self.scope, run);
        // A build may cause this with each request: the get is answered all the same, on the session's own thread.
        started.inspect_err(|e| log::debug!("cannot start a thread: {e}")).ok().map(|_| queue)
    }
}

impl Drop for SlowGets<'_, '_> {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
    }
}

//! Gets whose objects have to be read before they can be served: on a second thread of their session, so that others pass them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, Scope};

use proto::ActionId;

use crate::sessions::UnderWay;

/// Gets that wait for the thread: several for each processor. Those beyond are served where they were read.
const MOST: usize = 64;

/// It reads into buffers on the heap.
const STACK: usize = 256 << 10;

/// A get that is to be served there.
#[derive(Debug)]
pub(crate) struct Get<'a> {
    pub(crate) id: u32,
    pub(crate) action: ActionId,
    pub(crate) under_way: UnderWay<'a>,
}

/// The way to the thread, which starts when it is first needed. Once this is dropped, it ends after what it is at.
pub(crate) struct Aside<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    serve: &'env (dyn Fn(Get<'env>) + Sync),
    over: Arc<AtomicBool>,
    queue: Option<SyncSender<Get<'env>>>,
}

impl fmt::Debug for Aside<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aside").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl<'scope, 'env> Aside<'scope, 'env> {
    /// `serve` is called on the thread.
    pub(crate) fn new(scope: &'scope Scope<'scope, 'env>, serve: &'env (dyn Fn(Get<'env>) + Sync)) -> Self {
        Self { scope, serve, over: Arc::default(), queue: None }
    }

    /// Hands a get over; gives it back where too many wait, or there is no thread.
    pub(crate) fn give(&mut self, get: Get<'env>) -> Result<(), Get<'env>> {
        if self.queue.is_none() {
            self.queue = self.start();
        }
        let Some(queue) = &self.queue else { return Err(get) };
        queue.try_send(get).map_err(|e| match e {
            TrySendError::Full(get) | TrySendError::Disconnected(get) => get,
        })
    }

    fn start(&self) -> Option<SyncSender<Get<'env>>> {
        let (queue, gets) = sync_channel(MOST);
        let (serve, over) = (self.serve, self.over.clone());
        let run = move || gets.into_iter().take_while(|_| !over.load(Relaxed)).for_each(serve);
        let started = Builder::new().name("aside".to_owned()).stack_size(STACK).spawn_scoped(self.scope, run);
        // A build may cause this as often as it asks: the get is served all the same, on the session's own thread.
        started.inspect_err(|e| log::debug!("starting a thread: {e}")).ok().map(|_| queue)
    }
}

impl Drop for Aside<'_, '_> {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
    }
}

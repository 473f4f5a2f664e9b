//! The spool: a store in the build's own cache directory. It keeps the puts that the daemon does not take, and serves them to
//! this and later go commands of the build.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use proto::gocmd::{BodyError, Hit};
use proto::{ActionId, Condition, OutputId, RequestError};

use crate::environment::Environment;
use crate::gocmd::cache::PutHeader;
use crate::mutex::lock;
use crate::put_body::PutBody;

use super::local_store::LocalStore;

/// Bytes that one client spools: several times what `go build std cmd` puts. Later puts are lost, the build is not.
const MAX_BYTES: u64 = 4 << 30;

#[derive(Debug)]
pub(crate) struct Spool {
    /// Held for one put or look-up; its I/O is on a local file.
    store: Mutex<LocalStore>,
    /// Bytes that this client put.
    bytes: AtomicU64,
    /// Whether it put anything.
    has_put: AtomicBool,
}

impl Spool {
    pub(crate) fn new(environment: &Environment) -> Self {
        let store = LocalStore::new(&environment.spool, environment);
        Self { store: Mutex::new(store), bytes: AtomicU64::new(0), has_put: AtomicBool::new(false) }
    }

    pub(crate) fn get(&self, action: &ActionId) -> Option<Hit> {
        self.store().get(action)
    }

    /// Keeps a put, for every build or for this one alone. `None` where there is no room for it.
    pub(crate) fn put(&self, put: &PutHeader, body: &PutBody, is_plain: bool) -> Result<Option<Hit>, RequestError> {
        let mut store = self.store();
        self.has_put.store(true, Relaxed);
        let has_room = self.bytes.fetch_add(put.output.size, Relaxed) < MAX_BYTES;
        let received = match body.reader() {
            Ok(mut reader) if has_room => store.receive(put, &mut reader),
            Ok(_) | Err(_) => Ok(None),
        };
        match received {
            Ok(body) => Ok(body.and_then(|mut body| store.keep(put, None, (is_plain, &mut body)))),
            Err(BodyError::Frame(_) | BodyError::Abandoned) => Ok(None),
            Err(BodyError::Request(error)) => Err(error),
        }
    }

    /// Notes when other builds may use an entry, if this client put it here. A later flush hands it on so.
    pub(crate) fn share(&self, action: &ActionId, output: OutputId, condition: Option<&Condition>) {
        if self.has_put.load(Relaxed) {
            self.store().share(action, output, condition);
        }
    }

    /// The path for a put that was not kept.
    pub(crate) fn missing_path(&self) -> String {
        self.store().missing_path()
    }

    fn store(&self) -> MutexGuard<'_, LocalStore> {
        lock(&self.store)
    }
}

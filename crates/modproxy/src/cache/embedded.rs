//! The cache as an embedded store of this process, which an evictor keeps within its limits.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proto::{ActionId, OutputId};
use store::{Access, Caps, Found as Known, Origin, Put, Replaces, Store, StoreError, View};

use crate::clock;
use crate::error::ProxyError;
use crate::sync::lock;

use super::cached_file::CachedFile;
use super::evictor::Evictor;
use super::key;

#[derive(Debug)]
pub(crate) struct Embedded {
    store: Arc<Store>,
    evictor: Evictor,
    view: View,
    /// Origin of all puts of this process.
    origin: Origin,
    /// Unused buffers to read with. Guards a list.
    scratch: Mutex<Vec<Vec<u8>>>,
}

impl Embedded {
    pub(crate) fn open(dir: &Path, caps: Caps) -> Result<Self, ProxyError> {
        let store = Arc::new(Store::open(dir, Access::Owner)?);
        if store.was_of_format_before() {
            log::warn!("{}: {}", dir.display(), store::SET_ASIDE);
        }
        let evictor = Evictor::start(store.clone(), caps).map_err(|e| ProxyError::System("starting a thread", e))?;
        let view = View::common(&key::namespace());
        let origin = view.origin(None, "");
        Ok(Self { store, evictor, view, origin, scratch: Mutex::default() })
    }

    pub(crate) fn get(&self, action: &ActionId) -> Result<Option<CachedFile>, StoreError> {
        let Some(Known::Plain(record)) = self.store.find(&self.view, action, clock::now())? else { return Ok(None) };
        let Some(path) = self.store.object(&record.output, record.size)? else { return Ok(None) };
        Ok(File::open(path).ok().map(|file| CachedFile { output: record.output, size: record.size, file }))
    }

    pub(crate) fn put(&self, action: &ActionId, (output, size): (OutputId, u64), mut body: &File) -> bool {
        let mut scratch = lock(&self.scratch).pop().unwrap_or_default();
        let rewound = std::io::Seek::seek(&mut body, std::io::SeekFrom::Start(0));
        let received =
            rewound.is_ok().then(|| self.store.receive(output, size, &mut body, &mut scratch).ok()).flatten();
        lock(&self.scratch).push(scratch);
        let (origin, time) = (&self.origin, clock::now());
        let put = Put { action: *action, time, cost_ms: 0, origin, condition: None, replaces: Replaces::Any };
        let published = received.is_some_and(|mut body| self.store.publish(&self.view, &put, &mut body).is_ok());
        self.evictor.note_put(size);
        published
    }
}

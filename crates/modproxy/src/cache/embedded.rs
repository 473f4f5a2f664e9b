//! The cache as an embedded store of this process, which an evictor keeps within its limits.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proto::{ActionId, Output};
use store::{Access, Disk, Limits, Origin, Put, Replaces, Store, StoreError, Totals, View};

use crate::clock;
use crate::error::ProxyError;
use crate::mutex::lock;

use super::cached_file::CachedFile;
use super::evictor::Evictor;
use super::key;

#[derive(Debug)]
pub(crate) struct Embedded {
    store: Arc<Store>,
    limits: Limits,
    evictor: Evictor,
    view: View,
    /// Origin of all puts of this process.
    origin: Origin,
    /// Unused buffers to read with. Guards a list.
    scratch: Mutex<Vec<Vec<u8>>>,
}

impl Embedded {
    pub(crate) fn open(dir: &Path, limits: Limits) -> Result<Self, ProxyError> {
        let store = Arc::new(Store::open(dir, Access::Owner)?);
        if store.had_former_format() {
            log::warn!("{}: {}", dir.display(), store::FORMER_FORMAT_NOTICE);
        }
        let evictor = Evictor::start(store.clone(), limits).map_err(|e| ProxyError::System("starting a thread", e))?;
        let view = View::common(&key::namespace());
        let origin = view.origin(None, "");
        Ok(Self { store, limits, evictor, view, origin, scratch: Mutex::default() })
    }

    /// What is in it, and the most that it may take in bytes.
    pub(crate) fn totals(&self) -> (Totals, Option<u64>) {
        let most = Disk::of(self.store.root()).ok().and_then(|disk| self.limits.max_size(disk));
        (self.store.counters().totals(), most)
    }

    pub(crate) fn get(&self, action: &ActionId) -> Result<Option<CachedFile>, StoreError> {
        let Some(record) = self.store.get(&self.view, action, clock::now())?.plain else { return Ok(None) };
        let Some(path) = self.store.object(record.output)? else { return Ok(None) };
        Ok(File::open(path).ok().map(|file| CachedFile { output: record.output, file }))
    }

    pub(crate) fn put(&self, action: &ActionId, output: Output, mut body: &File) -> bool {
        let mut scratch = lock(&self.scratch).pop().unwrap_or_default();
        let rewound = std::io::Seek::seek(&mut body, std::io::SeekFrom::Start(0));
        let staged = rewound.is_ok().then(|| self.store.stage(output, &mut body, &mut scratch).ok()).flatten();
        lock(&self.scratch).push(scratch);
        let (origin, time) = (&self.origin, clock::now());
        let put = Put { action: *action, time, cost_ms: 0, origin, condition: None, replaces: Replaces::Any };
        let published = staged.is_some_and(|mut body| self.store.put(&self.view, &put, &mut body).is_ok());
        self.evictor.note_put(output.size);
        published
    }
}

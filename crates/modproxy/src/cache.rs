//! Where things are kept: with the daemon, in a store of our own, or nowhere. What is not there or fails is a miss.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proto::{ActionId, OutputId};
use store::{Access, Caps, Found as Known, Origin, Put, Replaces, Store, StoreError, View};

use crate::ProxyError;
use crate::clock;
use crate::daemon::Daemon;
use crate::key;
use crate::settings::Keep;
use crate::sync::lock;
use crate::upkeep::Upkeep;

#[derive(Debug)]
pub(crate) enum Cache {
    Nothing,
    Daemon(Daemon),
    Store(Box<Embedded>),
}

/// Something that was kept.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) output: OutputId,
    pub(crate) size: u64,
    pub(crate) file: File,
}

impl Cache {
    /// `caps` are what a store of our own is kept within; the daemon has limits itself.
    pub(crate) fn open(keep: &Keep, caps: Caps) -> Self {
        match keep {
            Keep::Nothing => Self::Nothing,
            Keep::Daemon(socket) => Self::Daemon(Daemon::new(socket)),
            Keep::Store(dir) => Embedded::open(dir, caps).map_or_else(
                |e| {
                    log::warn!("nothing is kept: {e}");
                    Self::Nothing
                },
                |store| Self::Store(Box::new(store)),
            ),
        }
    }

    pub(crate) fn get(&self, action: &ActionId) -> Option<Found> {
        match self {
            Self::Nothing => None,
            Self::Daemon(daemon) => daemon.get(action),
            Self::Store(store) => store.get(action).unwrap_or_else(|e| {
                log::info!("a miss: {e}");
                None
            }),
        }
    }

    /// Keeps a file whose sha256 is `output`. That it could not be kept is worth a line for who looks for one.
    pub(crate) fn put(&self, action: &ActionId, what: (OutputId, u64), body: &File) {
        let kept = match self {
            Self::Nothing => true,
            Self::Daemon(daemon) => daemon.put(action, what, body),
            Self::Store(store) => store.put(action, what, body),
        };
        if !kept {
            log::info!("{} bytes could not be kept", what.1);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Embedded {
    store: Arc<Store>,
    upkeep: Upkeep,
    view: View,
    /// Of what is put here.
    origin: Origin,
    /// Buffers to read with, as many as were in use at once. Guards a list.
    scratch: Mutex<Vec<Vec<u8>>>,
}

impl Embedded {
    fn open(dir: &Path, caps: Caps) -> Result<Self, ProxyError> {
        let store = Arc::new(Store::open(dir, Access::Owner)?);
        if store.was_of_format_before() {
            log::warn!("{}: {}", dir.display(), store::SET_ASIDE);
        }
        let upkeep = Upkeep::start(store.clone(), caps).map_err(|e| ProxyError::System("starting a thread", e))?;
        let view = View::common(&key::namespace());
        let origin = view.origin(None, "");
        Ok(Self { store, upkeep, view, origin, scratch: Mutex::default() })
    }

    fn get(&self, action: &ActionId) -> Result<Option<Found>, StoreError> {
        let Some(Known::Plain(record)) = self.store.find(&self.view, action, clock::now())? else { return Ok(None) };
        let Some(path) = self.store.object(&record.output, record.size)? else { return Ok(None) };
        Ok(File::open(path).ok().map(|file| Found { output: record.output, size: record.size, file }))
    }

    fn put(&self, action: &ActionId, (output, size): (OutputId, u64), mut body: &File) -> bool {
        let mut scratch = lock(&self.scratch).pop().unwrap_or_default();
        let rewound = std::io::Seek::seek(&mut body, std::io::SeekFrom::Start(0));
        let received =
            rewound.is_ok().then(|| self.store.receive(output, size, &mut body, &mut scratch).ok()).flatten();
        lock(&self.scratch).push(scratch);
        let (origin, time) = (&self.origin, clock::now());
        let put = Put { action: *action, time, cost_ms: 0, origin, condition: None, replaces: Replaces::Any };
        let published = received.is_some_and(|mut body| self.store.publish(&self.view, &put, &mut body).is_ok());
        self.upkeep.look(size);
        published
    }
}

//! Where files are cached: by the daemon, in an embedded store, or nowhere. A missing file and a failure are both a miss.

pub(crate) mod cached_file;
mod daemon;
mod embedded;
mod evictor;
pub(crate) mod key;

use std::fs::File;

use proto::{ActionId, Output};
use store::{Limits, Totals};

pub(crate) use cached_file::CachedFile;
use daemon::DaemonCache;
use embedded::Embedded;

use crate::settings::CacheBackend;

#[derive(Debug)]
pub(crate) enum Cache {
    Disabled,
    Daemon(DaemonCache),
    Embedded(Box<Embedded>),
}

impl Cache {
    /// `limits` are the limits of an embedded store; the daemon has its own.
    pub(crate) fn open(backend: &CacheBackend, limits: Limits) -> Self {
        match backend {
            CacheBackend::Disabled => Self::Disabled,
            CacheBackend::Daemon(socket) => Self::Daemon(DaemonCache::new(socket)),
            CacheBackend::Embedded(dir) => Embedded::open(dir, limits).map_or_else(
                |e| {
                    log::warn!("going on without a cache: {e}");
                    Self::Disabled
                },
                |store| Self::Embedded(Box::new(store)),
            ),
        }
    }

    pub(crate) fn get(&self, action: &ActionId) -> Option<CachedFile> {
        match self {
            Self::Disabled => None,
            Self::Daemon(daemon) => daemon.get(action),
            Self::Embedded(store) => store.get(action).unwrap_or_else(|e| {
                log::info!("cache miss: {e}");
                None
            }),
        }
    }

    /// What is in an embedded store, and the most that it may take in bytes.
    pub(crate) fn totals(&self) -> Option<(Totals, Option<u64>)> {
        match self {
            Self::Embedded(store) => Some(store.totals()),
            Self::Disabled | Self::Daemon(_) => None,
        }
    }

    /// Caches a file with this sha256 and size. A failure is logged and otherwise ignored.
    pub(crate) fn put(&self, action: &ActionId, output: Output, file: &File) {
        let stored = match self {
            Self::Disabled => true,
            Self::Daemon(daemon) => daemon.put(action, output, file),
            Self::Embedded(store) => store.put(action, output, file),
        };
        if !stored {
            log::info!("a file of {} bytes could not be cached", output.size);
        }
    }
}

//! What all requests of one proxy share: the upstream list, the cache, the running downloads, the expected hashes, the counters. It
//! finds cached files and checks them; responder.rs and download.rs add what a request and a download do.

use std::path::PathBuf;
use std::time::Instant;

use crate::cache::key::SourceId;
use crate::cache::{Cache, CachedFile, key};
use crate::counters::Counters;
use crate::error::ProxyError;
use crate::goproxy_list::{self, Entry, Location};
use crate::limits;
use crate::metrics::Metrics;
use crate::resource::{Resource, ResourceKind};
use crate::settings::{Settings, Timeouts};
use crate::single_flight::SingleFlight;
use crate::upstream::UpstreamClient;
use crate::verify::gosum::GoSum;
use crate::verify::{self, gosum};

/// A module proxy without its sockets.
#[derive(Debug)]
pub struct Proxy {
    pub(crate) list: Vec<Entry>,
    /// For each entry of the list: its id in cache keys.
    pub(crate) source_ids: Vec<SourceId>,
    pub(crate) upstreams: UpstreamClient,
    pub(crate) timeouts: Timeouts,
    pub(crate) cache: Cache,
    pub(crate) downloads: SingleFlight,
    /// Directory of the temporary files of downloads.
    pub(crate) spool_dir: PathBuf,
    gosum: Option<GoSum>,
    /// Name of the checksum database, where one is used.
    sumdb: Option<String>,
    pub(crate) serves_sumdb: bool,
    /// No upstream is asked.
    pub(crate) is_offline: bool,
    /// Each request is logged.
    pub(crate) logs_requests: bool,
    pub(crate) counters: Counters,
    started: Instant,
}

impl Proxy {
    /// A proxy in front of a list.
    ///
    /// # Errors
    /// A [`ProxyError`] where the list begins with no server, or the list cannot be read.
    pub fn new(settings: Settings) -> Result<Self, ProxyError> {
        let list = goproxy_list::parse(&settings.list)?;
        if !list.first().is_some_and(|first| matches!(first.location, Location::Server { .. })) {
            return Err(ProxyError::NoServer);
        }
        let cache = Cache::open(&settings.cache, settings.limits);
        let upstreams = UpstreamClient::new(&settings);
        let source_ids = key::source_ids(&list, |entry| upstreams.netrc_login(entry));
        Ok(Self {
            list,
            source_ids,
            upstreams,
            timeouts: settings.timeouts,
            cache,
            downloads: SingleFlight::default(),
            spool_dir: settings.spool_dir,
            gosum: settings.module_dir.as_deref().map(GoSum::new),
            sumdb: settings.sumdb,
            serves_sumdb: settings.serves_sumdb,
            is_offline: settings.is_offline,
            logs_requests: settings.logs_requests,
            counters: Counters::default(),
            started: Instant::now(),
        })
    }

    /// What it has done and has.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics {
            counts: self.counters.counts(),
            cache: self.cache.totals(),
            running_downloads: self.downloads.running(),
            up_seconds: self.started.elapsed().as_secs(),
            is_offline: self.is_offline,
        }
    }

    /// Whether the list names a server at this port of this machine.
    #[must_use]
    pub fn lists_local_port(&self, port: u16) -> bool {
        let is_local = |entry: &Entry| match &entry.location {
            Location::Server { base, .. } => {
                let local = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:{port}"));
                local
                    .iter()
                    .any(|local| base.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            }
            Location::Directory(_) => false,
        };
        self.list.iter().any(is_local)
    }

    /// The cached file of an immutable resource, if it is whole and has the expected hash.
    pub(crate) fn find_cached(&self, resource: &Resource) -> Option<CachedFile> {
        if !resource.kind.is_immutable() {
            return None;
        }
        let hash = self.expected_hash(resource);
        self.source_ids.iter().find_map(|source| {
            // Another build may have put anything under this key: a file over the limit is not even read.
            let found = self.cache.get(&key::immutable(source, &resource.path))?;
            if found.output.size > limits::max_size(resource) {
                return None;
            }
            let checked = match &hash {
                Some(hash) => verify::check(resource, &found.file, Some(hash)),
                None => verify::check_output(&found.file, &found.output.id),
            };
            match checked {
                Ok(()) => Some(found),
                Err(e) => {
                    log::warn!("{}: the cached file is wrong or damaged, fetching it again: {e}", resource.path);
                    None
                }
            }
        })
    }

    /// The hash that a file must have: from the build's go.sum, else from a cached answer of the checksum database.
    pub(crate) fn expected_hash(&self, resource: &Resource) -> Option<String> {
        let ResourceKind::File(file, version) = &resource.kind else { return None };
        if let Some(hash) = self.gosum.as_ref().and_then(|sums| sums.hash(*file, version)) {
            return Some(hash);
        }
        let sumdb = self.sumdb.as_deref().filter(|_| self.serves_sumdb)?;
        let (module, name) = resource.path.split_once("/@v/")?;
        let (escaped_version, _) = name.rsplit_once('.')?;
        let lookup = format!("sumdb/{sumdb}/lookup/{module}@{escaped_version}");
        let found = self.find_cached(&Resource::parse(&lookup)?)?;
        gosum::hash_in(str::from_utf8(&verify::content::read(&found.file).ok()?).ok()?, *file, version)
    }
}

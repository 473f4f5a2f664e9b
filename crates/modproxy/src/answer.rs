//! What becomes of a request: an answer from what was kept, or from a download that all share who want the file.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crate::ProxyError;
use crate::cache::{Cache, Found};
use crate::fetch;
use crate::flight::{Flight, Flights};
use crate::gosum::{self, GoSum};
use crate::http::Connection;
use crate::key::{self, Source};
use crate::list::{self, Entry, Place};
use crate::path::{Target, What};
use crate::settings::{Patience, Settings};
use crate::upstream::Upstreams;
use crate::verify;

/// The last bytes of a download wait until it was found whole. If it was not, the go command gets an answer that breaks
/// off, and asks the rest of its own list.
const HELD_BACK: u64 = 16 << 10;

/// A download needs room for TLS and for unpacking.
const STACK: usize = 1 << 20;

/// A module proxy without its sockets.
#[derive(Debug)]
pub struct Proxy {
    pub(crate) list: Vec<Entry>,
    /// The names of the list's entries in what is kept.
    pub(crate) sources: Vec<Source>,
    pub(crate) upstreams: Upstreams,
    pub(crate) patience: Patience,
    pub(crate) cache: Cache,
    pub(crate) flights: Flights,
    /// What is on its way lies here.
    pub(crate) spool: PathBuf,
    gosum: Option<GoSum>,
    /// The checksum database, if the go command may ask it by way of us.
    sumdb: Option<String>,
    offers_sumdb: bool,
}

impl Proxy {
    /// A proxy in front of a list.
    ///
    /// # Errors
    /// A [`ProxyError`] where there is nothing to stand in front of, or what it needs cannot be read.
    pub fn new(settings: Settings) -> Result<Self, ProxyError> {
        let list = list::parse(&settings.list)?;
        if !list.first().is_some_and(|first| matches!(first.place, Place::Web { .. })) {
            return Err(ProxyError::NoServer);
        }
        let cache = Cache::open(&settings.keep, settings.caps);
        let upstreams = Upstreams::new(&settings);
        let sources = key::sources(&list, |entry| upstreams.netrc_login(entry));
        let Settings { patience, spool, module, sumdb, offers_sumdb, .. } = settings;
        let gosum = module.as_deref().map(GoSum::new);
        let flights = Flights::default();
        Ok(Self { list, sources, upstreams, patience, cache, flights, spool, gosum, sumdb, offers_sumdb })
    }

    /// Whether the list names a server at this port of this machine.
    #[must_use]
    pub fn asks(&self, port: u16) -> bool {
        let is_here = |entry: &Entry| match &entry.place {
            Place::Web { base, .. } => {
                let here = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:{port}"));
                here.iter()
                    .any(|here| base.strip_prefix(here).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            }
            Place::File(_) => false,
        };
        self.list.iter().any(is_here)
    }

    /// Answers a request for a path.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(crate) fn answer(self: &Arc<Self>, path: &str, to: &mut Connection) -> io::Result<()> {
        let Some(target) = Target::parse(path) else { return to.refuse(404, "not a path of the module protocol") };
        if path.starts_with("sumdb/") && !self.offers_sumdb {
            return to.refuse(404, "the checksum database is asked without this proxy");
        }
        if let Some(found) = self.kept(&target) {
            log::debug!("{path}: kept");
            to.begin(Some(found.size))?;
            return to.piece(&found.file, 0, found.size);
        }
        let flight = match self.flights.join(path, &self.spool) {
            Ok((flight, None)) => flight,
            Ok((flight, Some(pilot))) => {
                let proxy = self.clone();
                let thread = thread::Builder::new().name("download".to_owned()).stack_size(STACK);
                // Without a thread the pilot is gone, which those who wait are told.
                if thread.spawn(move || proxy.fly(&target, &pilot)).is_err() {
                    self.flights.leave(path, &flight);
                }
                flight
            }
            Err(e) => return to.refuse(502, &format!("no room for a download: {e}")),
        };
        stream(&flight, to)
    }

    /// What was kept of something that never changes, if it is what it should be.
    pub(crate) fn kept(&self, target: &Target) -> Option<Found> {
        if !target.what.is_immutable() {
            return None;
        }
        let hash = self.hash(target);
        self.sources.iter().find_map(|source| {
            // Another build may have put anything there: what is too large is not even read.
            let found = self.cache.get(&key::immutable(source, &target.path))?;
            if found.size > fetch::most(target) {
                return None;
            }
            let checked = match &hash {
                Some(hash) => verify::check(target, &found.file, Some(hash)),
                None => verify::is_same(&found.file, &found.output),
            };
            match checked {
                Ok(()) => Some(found),
                Err(e) => {
                    log::warn!("{}: what was kept is not it, and is fetched again: {e}", target.path);
                    None
                }
            }
        })
    }

    /// The hash that a file must have: by the build's go.sum, else by what was kept of the checksum database.
    pub(crate) fn hash(&self, target: &Target) -> Option<String> {
        let What::File(file, version) = &target.what else { return None };
        if let Some(hash) = self.gosum.as_ref().and_then(|sums| sums.hash(*file, version)) {
            return Some(hash);
        }
        let sumdb = self.sumdb.as_deref().filter(|_| self.offers_sumdb)?;
        let (module, name) = target.path.split_once("/@v/")?;
        let (at, _) = name.rsplit_once('.')?;
        let found = self.kept(&Target::parse(&format!("sumdb/{sumdb}/lookup/{module}@{at}"))?)?;
        gosum::hash_in(str::from_utf8(&verify::read(&found.file).ok()?).ok()?, *file, version)
    }
}

/// Passes a download on while it comes in.
fn stream(flight: &Flight, to: &mut Connection) -> io::Result<()> {
    let mut sent = 0;
    let mut begun = None;
    loop {
        let state = flight.wait(sent + HELD_BACK);
        let ready = match &state.end {
            None => state.written - HELD_BACK,
            Some(Ok(())) => state.written,
            // Nothing else tells the go command, once an answer has begun.
            Some(Err(_)) if begun.is_some() => return Err(ErrorKind::ConnectionAborted.into()),
            Some(Err(e)) => return to.refuse(e.status(), &e.to_string()),
        };
        let length = match begun {
            Some(length) => length,
            None => {
                let length = if state.end.is_some() { Some(ready) } else { state.length };
                to.begin(length)?;
                *begun.insert(length)
            }
        };
        match length {
            Some(_) => to.piece(&flight.file, sent, ready - sent)?,
            None if ready > sent => to.chunk(&flight.file, sent, ready - sent)?,
            None => {}
        }
        sent = ready;
        if state.end.is_some() {
            return if length.is_none() { to.chunk(&flight.file, sent, 0) } else { Ok(()) };
        }
    }
}

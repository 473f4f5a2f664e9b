//! What the thread of a download does: fetch the file, check it, cache it. For answers that change it remembers the last one,
//! and gives it where no upstream can be reached.

use std::io::Write;
use std::time::UNIX_EPOCH;

use proto::{Output, OutputId};

use crate::cache::CachedFile;
use crate::cache::key::{self, SourceId};
use crate::clock;
use crate::download_error::DownloadError;
use crate::fetch::{self, Fetched, Job};
use crate::goproxy_list::{Location, OnError};
use crate::proxy::Proxy;
use crate::resource::{FileKind, Resource, ResourceKind};
use crate::single_flight::Writer;
use crate::verify::{self, content};

/// How far back a remembered answer is looked for, in hours: a month.
const REMEMBERED_HOURS: u64 = 30 * 24;

/// What stands before a remembered answer: "not found" is worth remembering as well.
const REMEMBERED_FOUND: &[u8] = b"200\n";
const REMEMBERED_NOT_FOUND: &[u8] = b"404\n";

impl Proxy {
    /// Carries out a download, then caches or remembers its result.
    pub(crate) fn run_download(&self, resource: &Resource, writer: &Writer) {
        // Another download may have ended between the request's look into the cache and this one's start.
        let end = match self.find_cached(resource) {
            Some(found) => copy(&found, 0, writer).map(|()| None),
            None => self.download(resource, writer).map(Some),
        };
        // A request after this answer gets a newer one, or another attempt. Only a file that is about to be cached still
        // serves new requests.
        if !resource.kind.is_immutable() || !matches!(end, Ok(Some(_))) {
            self.downloads.remove(&resource.path, writer.download());
        }
        match end {
            Ok(None) => writer.finish(Ok(())),
            // The go command does not wait until the file is cached for others.
            Ok(Some(fetched)) => {
                writer.finish(Ok(()));
                self.cache_result(resource, writer, fetched);
            }
            Err(e) => {
                log::info!("{}: {e}", resource.path);
                writer.finish(if resource.kind.is_immutable() {
                    Err(e)
                } else {
                    self.last_known_answer(resource, writer, e)
                });
            }
        }
        self.downloads.remove(&resource.path, writer.download());
    }

    fn download(&self, resource: &Resource, writer: &Writer) -> Result<Fetched, DownloadError> {
        if self.is_offline {
            return Err(DownloadError::Offline);
        }
        let Self { upstreams, timeouts, counters, .. } = self;
        counters.add_download();
        let fetched = fetch::from_list(Job { upstreams, timeouts: *timeouts, resource, writer, counters }, &self.list);
        counters.add_downloaded(writer.download().progress().written);
        let fetched = fetched?;
        let hash = self.expected_hash(resource);
        verify::check(resource, &writer.download().file, hash.as_deref())?;
        // Where only the end of the connection marks the end of the body, a hash or the end record of a zip has to confirm it.
        let marks_its_end = matches!(resource.kind, ResourceKind::File(FileKind::Zip, _));
        Ok(Fetched { is_complete: fetched.is_complete || hash.is_some() || marks_its_end, ..fetched })
    }

    /// Caches a file under the entry that gave it.
    fn cache_result(&self, resource: &Resource, writer: &Writer, fetched: Fetched) {
        let (source, file) = (&self.source_ids[fetched.entry], &writer.download().file);
        if !resource.kind.is_immutable() {
            // An HTML page in the place of a list must not be given for it a month later.
            let answer = content::read(file).ok().filter(|bytes| verify::is_plausible(resource, bytes));
            return answer.map_or((), |bytes| self.remember(resource, source, &[REMEMBERED_FOUND, &bytes]));
        }
        // A file in a directory of this machine is read as fast there as from the cache.
        if fetched.is_complete && matches!(self.list[fetched.entry].location, Location::Server { .. }) {
            match content::sha256(file) {
                Ok(id) => {
                    let output = Output { id: OutputId(id), size: writer.download().progress().written };
                    self.cache.put(&key::immutable(source, &resource.path), output, file);
                }
                Err(e) => log::info!("{}: reading the downloaded file: {e}", resource.path),
            }
        }
    }

    fn remember(&self, resource: &Resource, source: &SourceId, parts: &[&[u8]]) {
        let remembered = tempfile::tempfile_in(&self.spool_dir).and_then(|mut file| {
            file.write_all(&parts.concat())?;
            let output = Output { id: OutputId(content::sha256(&file)?), size: file.metadata()?.len() };
            self.cache.put(&key::last_answer(source, &resource.path, current_hour()), output, &file);
            Ok(())
        });
        remembered.unwrap_or_else(|e| log::info!("{}: the answer cannot be remembered: {e}", resource.path));
    }

    /// The last known answer, in the place of an upstream that cannot be reached.
    fn last_known_answer(
        &self,
        resource: &Resource,
        writer: &Writer,
        error: DownloadError,
    ) -> Result<(), DownloadError> {
        if let Some(last) = self.source_ids.last().filter(|_| error.is_not_found()) {
            self.remember(resource, last, &[REMEMBERED_NOT_FOUND]);
        }
        // With a `|` in the list the go command goes on to another upstream, unless none is to be asked.
        let has_others = !self.is_offline && self.list.iter().any(|entry| entry.on_error == OnError::TryNext);
        if !error.is_unreachable() || has_others {
            return Err(error);
        }
        let now = current_hour();
        let found = (now.saturating_sub(REMEMBERED_HOURS)..=now).rev().find_map(|hour| {
            let answer = |source| self.cache.get(&key::last_answer(source, &resource.path, hour));
            let is_whole = |found: &CachedFile| verify::check_output(&found.file, &found.output.id).is_ok();
            self.source_ids.iter().find_map(answer).filter(is_whole)
        });
        let Some(found) = found else { return Err(error) };
        let level = if self.is_offline { log::Level::Info } else { log::Level::Warn };
        log::log!(level, "{}: {error}; serving the last known answer", resource.path);
        if content::read(&found.file).is_ok_and(|bytes| bytes == REMEMBERED_NOT_FOUND) {
            return Err(DownloadError::not_found());
        }
        writer.mark_remembered();
        copy(&found, REMEMBERED_FOUND.len() as u64, writer)
    }
}

/// Gives a cached file to the readers of a download.
fn copy(found: &CachedFile, from: u64, writer: &Writer) -> Result<(), DownloadError> {
    let bytes = content::read(&found.file).map_err(DownloadError::Spool)?;
    let bytes = bytes.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
    writer.announce(Some(bytes.len() as u64))?;
    writer.write_at(0, bytes)
}

fn current_hour() -> u64 {
    clock::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 3600)
}

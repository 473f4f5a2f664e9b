//! Answers a request: with a cached file, or with a download, which it passes on while it arrives. It counts what came of each.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::cache::Cache;
use crate::counters::RequestResult;
use crate::http::{Connection, TEXT};
use crate::metrics;
use crate::proxy::Proxy;
use crate::resource::Resource;
use crate::single_flight::SharedDownload;

/// The last bytes of a download are sent only after the file was found whole. Otherwise the response is cut off, and the go
/// command asks the rest of its own list.
const WITHHELD_TAIL: u64 = 16 << 10;

/// The target of the log's lines for requests.
pub(crate) const REQUEST_LOG: &str = "modproxy::requests";

/// A download needs stack for TLS and for unpacking.
const DOWNLOAD_STACK_SIZE: usize = 1 << 20;

impl Proxy {
    /// Answers a request for a path.
    ///
    /// # Errors
    /// The connection cannot be used any more.
    pub(crate) fn respond(self: &Arc<Self>, path: &str, to: &mut Connection) -> io::Result<()> {
        match path {
            "healthz" => return self.send_health(to),
            "metrics" => return to.send_text(200, metrics::CONTENT_TYPE, &self.metrics().text()),
            _ => {}
        }
        let (began, before) = (Instant::now(), to.sent_bytes());
        let answered = self.answer(path, to);
        let result = *answered.as_ref().unwrap_or(&RequestResult::Aborted);
        let sent = to.sent_bytes() - before;
        self.counters.add_request(result, sent);
        if self.logs_requests {
            let time = began.elapsed().as_millis();
            log::info!(target: REQUEST_LOG, "{path}: {}, {sent} bytes, {time} ms", result.word());
        }
        answered?;
        Ok(())
    }

    /// Without a cache go commands get all that they ask for, and nothing is gained.
    fn send_health(&self, to: &mut Connection) -> io::Result<()> {
        match self.cache {
            Cache::Disabled => {
                to.send_error(503, "no cache: each file is downloaded each time; the log has the reason")
            }
            Cache::Daemon(_) | Cache::Embedded(_) => to.send_text(200, TEXT, "ok\n"),
        }
    }

    fn answer(self: &Arc<Self>, path: &str, to: &mut Connection) -> io::Result<RequestResult> {
        let Some(resource) = Resource::parse(path) else {
            to.send_error(404, "not a path of the module proxy protocol")?;
            return Ok(RequestResult::Rejected);
        };
        if path.starts_with("sumdb/") && !self.serves_sumdb {
            to.send_error(404, "this proxy does not serve the checksum database")?;
            return Ok(RequestResult::Rejected);
        }
        if let Some(found) = self.find_cached(&resource) {
            log::debug!("{path}: cache hit");
            to.begin(Some(found.output.size))?;
            to.send_range(&found.file, 0, found.output.size)?;
            return Ok(RequestResult::Cached);
        }
        let download = match self.downloads.join(path, &self.spool_dir) {
            Ok((download, None)) => download,
            Ok((download, Some(writer))) => {
                let proxy = self.clone();
                let thread = thread::Builder::new().name("download".to_owned()).stack_size(DOWNLOAD_STACK_SIZE);
                // Without a thread the writer is dropped, and all readers see an error.
                if thread.spawn(move || proxy.run_download(&resource, &writer)).is_err() {
                    self.downloads.remove(path, &download);
                }
                download
            }
            Err(e) => {
                to.send_error(502, &format!("cannot start a download: {e}"))?;
                return Ok(RequestResult::Failed);
            }
        };
        stream(&download, to)
    }
}

/// Passes a download on while it arrives.
fn stream(download: &SharedDownload, to: &mut Connection) -> io::Result<RequestResult> {
    let mut sent = 0;
    let mut begun = None;
    loop {
        let progress = download.wait(sent + WITHHELD_TAIL);
        let ready = match &progress.end {
            None => progress.written - WITHHELD_TAIL,
            Some(Ok(())) => progress.written,
            // After the beginning of a response only its cut tells the go command of an error.
            Some(Err(_)) if begun.is_some() => return Err(ErrorKind::ConnectionAborted.into()),
            Some(Err(e)) => {
                to.send_error(e.status(), &e.to_string())?;
                return Ok(if e.is_not_found() { RequestResult::NotFound } else { RequestResult::Failed });
            }
        };
        let length = match begun {
            Some(length) => length,
            None => {
                let length = if progress.end.is_some() { Some(ready) } else { progress.length };
                to.begin(length)?;
                *begun.insert(length)
            }
        };
        match length {
            Some(_) => to.send_range(&download.file, sent, ready - sent)?,
            None if ready > sent => to.send_chunk(&download.file, sent, ready - sent)?,
            None => {}
        }
        sent = ready;
        if progress.end.is_some() {
            if length.is_none() {
                to.send_chunk(&download.file, sent, 0)?;
            }
            return Ok(if progress.is_remembered { RequestResult::Remembered } else { RequestResult::Downloaded });
        }
    }
}

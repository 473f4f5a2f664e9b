//! Answers a request: with a cached file, or with a download, which it passes on while it arrives.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::thread;

use crate::http::Connection;
use crate::proxy::Proxy;
use crate::resource::Resource;
use crate::single_flight::SharedDownload;

/// The last bytes of a download are sent only after the file was found whole. Otherwise the response is cut off, and the go
/// command asks the rest of its own list.
const WITHHELD_TAIL: u64 = 16 << 10;

/// A download needs stack for TLS and for unpacking.
const DOWNLOAD_STACK_SIZE: usize = 1 << 20;

impl Proxy {
    /// Answers a request for a path.
    ///
    /// # Errors
    /// The connection cannot be used any more.
    pub(crate) fn respond(self: &Arc<Self>, path: &str, to: &mut Connection) -> io::Result<()> {
        let Some(resource) = Resource::parse(path) else {
            return to.send_error(404, "not a path of the module proxy protocol");
        };
        if path.starts_with("sumdb/") && !self.serves_sumdb {
            return to.send_error(404, "this proxy does not serve the checksum database");
        }
        if let Some(found) = self.find_cached(&resource) {
            log::debug!("{path}: cache hit");
            to.begin(Some(found.output.size))?;
            return to.send_range(&found.file, 0, found.output.size);
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
            Err(e) => return to.send_error(502, &format!("cannot start a download: {e}")),
        };
        stream(&download, to)
    }
}

/// Passes a download on while it arrives.
fn stream(download: &SharedDownload, to: &mut Connection) -> io::Result<()> {
    let mut sent = 0;
    let mut begun = None;
    loop {
        let progress = download.wait(sent + WITHHELD_TAIL);
        let ready = match &progress.end {
            None => progress.written - WITHHELD_TAIL,
            Some(Ok(())) => progress.written,
            // After the beginning of a response only its cut tells the go command of an error.
            Some(Err(_)) if begun.is_some() => return Err(ErrorKind::ConnectionAborted.into()),
            Some(Err(e)) => return to.send_error(e.status(), &e.to_string()),
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
            return if length.is_none() { to.send_chunk(&download.file, sent, 0) } else { Ok(()) };
        }
    }
}

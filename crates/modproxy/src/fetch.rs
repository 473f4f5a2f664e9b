//! Fetches a file from the entries of the list, in their order, with further attempts where these may help, and writes it to a
//! shared download.

use std::io::{ErrorKind, Read};
use std::thread;

use crate::counters::Counters;
use crate::download_error::DownloadError;
use crate::goproxy_list::{Entry, OnError};
use crate::limits;
use crate::resource::Resource;
use crate::settings::Timeouts;
use crate::single_flight::Writer;
use crate::upstream::{self, Response, UpstreamClient, UpstreamError};

/// Attempts at one entry: after lost connections, server errors and "too many requests".
const MAX_ATTEMPTS: u32 = 4;

/// Each delay before an attempt is this many times as long as the one before.
const BACKOFF_FACTOR: u32 = 4;

/// Bytes of an upstream's error text that are passed on.
const MAX_MESSAGE_SIZE: u64 = 4 << 10;

/// Bytes read at a time.
const BUFFER_SIZE: usize = 64 << 10;

/// A file that was fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetched {
    /// Which entry of the list gave it.
    pub(crate) entry: usize,
    /// Whether it is known to be complete.
    pub(crate) is_complete: bool,
}

/// What a fetch works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) upstreams: &'a UpstreamClient,
    pub(crate) timeouts: Timeouts,
    pub(crate) resource: &'a Resource,
    pub(crate) writer: &'a Writer,
    pub(crate) counters: &'a Counters,
}

/// Goes through the list as the go command does: to the next entry after "not found", and after a `|` after any error.
pub(crate) fn from_list(job: Job<'_>, list: &[Entry]) -> Result<Fetched, DownloadError> {
    let mut error = DownloadError::not_found();
    for (index, entry) in list.iter().enumerate() {
        match from_entry(job, entry) {
            Ok(is_complete) => return Ok(Fetched { entry: index, is_complete }),
            Err(next) => {
                let goes_on = next.is_not_found() || entry.on_error == OnError::TryNext;
                // Of several errors, one of an entry that could not answer says more than another's "not found".
                if error.is_not_found() || !next.is_not_found() {
                    error = next;
                }
                if !goes_on {
                    break;
                }
            }
        }
    }
    match error {
        // Part of the file came before, so it exists: an error, and the same one to all who wait for it.
        DownloadError::Refused { status, .. } if job.writer.download().progress().written > 0 => {
            Err(DownloadError::UnexpectedStatus(status))
        }
        other => Err(other),
    }
}

/// Whether what was fetched is known to be complete.
fn from_entry(job: Job<'_>, entry: &Entry) -> Result<bool, DownloadError> {
    let mut delay = job.timeouts.retry_delay;
    let mut validator = None;
    for number in 1.. {
        let attempted = attempt(job, entry, &mut validator);
        job.counters.add_upstream_request(attempted.as_ref().map(|_is_complete| ()));
        match attempted {
            // The upstream may have closed a connection that was kept, just now: Go's HTTP client makes another one at once
            // (net/http/transport.go `shouldRetryRequest`).
            Err(DownloadError::Upstream(UpstreamError::ConnectionLost(_)))
                if number == 1 && entry.on_error == OnError::TryNext => {}
            // After a `|` the go command would not wait either.
            Err(e) if e.is_transient() && number < MAX_ATTEMPTS && entry.on_error != OnError::TryNext => {
                log::info!("{}: {e}; next attempt in {delay:?}", job.resource.path);
                thread::sleep(delay);
                delay *= BACKOFF_FACTOR;
            }
            other => return other,
        }
    }
    Err(DownloadError::Internal) // the range above has no end
}

fn attempt(job: Job<'_>, entry: &Entry, validator: &mut Option<String>) -> Result<bool, DownloadError> {
    let Job { resource, writer, .. } = job;
    let written = writer.download().progress().written;
    // Only the rest is asked for where the content cannot change and a validator names it. Otherwise the rest may belong to
    // another content: then the whole file comes again, and the known part is compared.
    let is_resumable = written > 0 && resource.kind.is_immutable();
    let rest = validator.as_deref().filter(|_| is_resumable).map(|validator| (written, validator));
    let max_time = limits::max_time(resource, &job.timeouts);
    let mut response = job.upstreams.get(entry, &resource.path, rest, max_time)?;
    let from = match (response.status, response.range) {
        (200, _) => 0,
        (206, Some((from, _))) if rest.is_some() && from == written => from,
        (400..=599, _) => {
            return Err(DownloadError::Refused { status: response.status, message: error_message(response) });
        }
        (status, _) => return Err(DownloadError::UnexpectedStatus(status)),
    };
    if let Some(encoding) = response.encoding {
        return Err(DownloadError::UnexpectedEncoding(encoding));
    }
    let whole = response.length.map(|length| from.saturating_add(length));
    if from > 0 && whole != response.range.map(|(_, whole)| whole) {
        return Err(DownloadError::ContentChanged);
    }
    let max_size = limits::max_size(resource);
    if whole.is_some_and(|whole| whole > max_size) {
        return Err(DownloadError::TooLarge(max_size));
    }
    writer.announce(whole)?;
    validator.clone_from(&response.validator);
    let end = copy(&mut response, writer, from, max_size)?;
    if whole.is_some_and(|whole| whole != end) {
        return Err(DownloadError::Truncated(end));
    }
    Ok(response.is_framed)
}

/// The text of an error response, which the go command shows to its user.
fn error_message(response: Response) -> String {
    let mut message = Vec::new();
    if response.is_text && response.body.take(MAX_MESSAGE_SIZE).read_to_end(&mut message).is_err() {
        message.clear();
    }
    String::from_utf8_lossy(&message).trim().to_owned()
}

/// Returns the offset after the last byte.
fn copy(response: &mut Response, writer: &Writer, mut offset: u64, max_size: u64) -> Result<u64, DownloadError> {
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        match response.body.read(&mut buffer) {
            Ok(0) => return Ok(offset),
            Ok(n) => {
                writer.write_at(offset, &buffer[..n])?;
                offset += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(upstream::classify_body_error(e).into()),
        }
        if offset > max_size {
            return Err(DownloadError::TooLarge(max_size));
        }
    }
}

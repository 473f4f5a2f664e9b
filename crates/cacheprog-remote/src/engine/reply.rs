//! The body of an object as it comes: cut to the range, with its length, its size limit and its rate checked.

use std::io::{self, Read};
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{HeaderMap, Response};
use ureq::{Body, BodyReader};

use super::answer::http_date;
use super::error::EngineError;
use super::error_details::{At, BodyFault, Phase};
use super::http_client::is_lost;
use super::pace::Pace;
use super::shared::Operation;
use crate::counters::RequestOutcome;
use crate::limits::{Deadlines, MAX_OBJECT};

/// Bytes that are skipped at a time.
const SKIPPED_AT_ONCE: usize = 64 << 10;

/// The bytes that were asked for. A read that fails holds an [`EngineError`] ([`EngineError::of_read`]).
pub struct Reply {
    at: At,
    /// The server's clock.
    date: Option<SystemTime>,
    body: BodyReader<'static>,
    /// Bytes before the range that are still to be skipped.
    skip: u64,
    /// Bytes that are still to come; `None` where the server did not say.
    left: Option<u64>,
    /// The server's length of the whole body.
    announced: Option<u64>,
    limit: u64,
    delivered: u64,
    received: u64,
    /// Whether the end of the range is the end of the body.
    ends_with_body: bool,
    pace: Pace,
    window: Duration,
    /// `None` after the end.
    operation: Option<Operation>,
}

/// What a read of an object asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) range: Option<Range<u64>>,
    /// Most bytes that the caller takes.
    pub(crate) limit: u64,
}

/// How a body and what was wanted of it fit together.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    skip: u64,
    left: Option<u64>,
    ends_with_body: bool,
}

impl Reply {
    /// Begins with the head of a response with status 200 or 206.
    pub(crate) fn new(
        at: At,
        response: Response<Body>,
        wanted: &Wanted,
        deadlines: &Deadlines,
        operation: Operation,
    ) -> Result<Self, EngineError> {
        let checked = check(&at, &response, wanted);
        let (length, plan) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                error.request_outcome().into_iter().for_each(|outcome| operation.add_request(outcome));
                operation.end(Err(&error));
                return Err(error);
            }
        };
        Ok(Self {
            at,
            date: http_date(response.headers()),
            body: response.into_body().into_with_config().limit(u64::MAX).reader(),
            skip: plan.skip,
            left: plan.left,
            announced: length,
            limit: wanted.limit,
            delivered: 0,
            received: 0,
            ends_with_body: plan.ends_with_body,
            pace: Pace::new(deadlines.min_bytes_per_second, deadlines.pace_window),
            window: deadlines.pace_window,
            operation: Some(operation.with_answer()),
        })
    }

    /// Bytes that are still to come, if the server said how many.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        self.left
    }

    /// The time at which the server answered, by its own clock.
    pub(crate) fn date(&self) -> Option<SystemTime> {
        self.date
    }

    /// Reads what the server sends, and checks its rate.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, EngineError> {
        let since = Instant::now();
        let read = self.body.read(buffer);
        let waited = since.elapsed();
        let bytes = *read.as_ref().unwrap_or(&0);
        self.received += bytes as u64;
        if let Some(operation) = &self.operation {
            operation.add_received(bytes as u64);
        }
        let is_fast = self.pace.add(waited, bytes);
        match read {
            Ok(0) => Ok(0),
            Ok(_) if !is_fast => Err(self.slow()),
            Ok(bytes) => Ok(bytes),
            Err(e) => Err(self.broken(e)),
        }
    }

    fn slow(&self) -> EngineError {
        EngineError::Slow { at: self.at.clone(), phase: Phase::Receive, limit: self.window }
    }

    fn broken(&self, error: io::Error) -> EngineError {
        match ureq::Error::from(error) {
            ureq::Error::Timeout(_) => self.slow(),
            ureq::Error::Io(e) if e.kind() == io::ErrorKind::TimedOut => self.slow(),
            ureq::Error::Io(e) if is_lost(e.kind()) => self.cut(Some(e)),
            other => EngineError::Protocol { at: self.at.clone(), what: other.to_string() },
        }
    }

    fn cut(&self, source: Option<io::Error>) -> EngineError {
        let fault = BodyFault::Cut { received: self.received, expected: self.announced, source };
        EngineError::Body { at: self.at.clone(), fault }
    }

    fn skip_to_range(&mut self) -> Result<(), EngineError> {
        let mut buffer = vec![0; if self.skip == 0 { 0 } else { SKIPPED_AT_ONCE }];
        while self.skip > 0 {
            let length = buffer.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            match self.receive(&mut buffer[..length])? {
                0 => return Err(self.cut(None)),
                bytes => self.skip -= bytes as u64,
            }
        }
        Ok(())
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, EngineError> {
        self.skip_to_range()?;
        if self.left == Some(0) {
            if self.ends_with_body {
                // The library keeps the connection when it sees the end.
                drop(self.body.read(&mut [0]));
            }
            self.finish(Ok(()));
            return Ok(0);
        }
        let most = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)).min(buffer.len());
        let bytes = self.receive(&mut buffer[..most])?;
        if bytes == 0 {
            if self.left.is_some() {
                return Err(self.cut(None));
            }
            self.finish(Ok(()));
        }
        self.left = self.left.map(|left| left.saturating_sub(bytes as u64));
        self.delivered += bytes as u64;
        if self.delivered > self.limit {
            return Err(EngineError::TooLarge { at: self.at.clone(), limit: Some(self.limit) });
        }
        Ok(bytes)
    }

    fn finish(&mut self, result: Result<(), &EngineError>) {
        if let Some(operation) = self.operation.take() {
            let outcome = result.err().and_then(EngineError::request_outcome);
            operation.add_request(outcome.unwrap_or(RequestOutcome::Ok));
            operation.end(result);
        }
    }
}

impl Read for Reply {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.operation.is_none() {
            return Ok(0);
        }
        self.next(buffer).map_err(|error| {
            self.finish(Err(&error));
            io::Error::other(error)
        })
    }
}

impl Drop for Reply {
    /// The caller wants no more.
    fn drop(&mut self) {
        self.finish(Ok(()));
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("at", &self.at).field("left", &self.left).finish_non_exhaustive()
    }
}

/// The announced length, and how body and range fit together.
fn check(at: &At, response: &Response<Body>, wanted: &Wanted) -> Result<(Option<u64>, Plan), EngineError> {
    let length = length(at, response.headers())?;
    let plan = plan(at, response.status().as_u16(), response.headers(), length, wanted)?;
    Ok((length, plan))
}

/// The length of a body; `None` for one in chunks. One that ends with the connection could be cut without a sign.
fn length(at: &At, headers: &HeaderMap) -> Result<Option<u64>, EngineError> {
    let protocol = |what: &str| EngineError::Protocol { at: at.clone(), what: what.to_owned() };
    let coding = headers.get("content-encoding").and_then(|value| value.to_str().ok());
    if headers.contains_key("content-encoding") && coding != Some("identity") {
        return Err(protocol("a compressed body, which was not asked for"));
    }
    if headers.contains_key("transfer-encoding") {
        return Ok(None);
    }
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    length.map(Some).ok_or_else(|| protocol("a body without a length"))
}

fn plan(at: &At, status: u16, headers: &HeaderMap, length: Option<u64>, wanted: &Wanted) -> Result<Plan, EngineError> {
    let too_large = |limit| EngineError::TooLarge { at: at.clone(), limit: Some(limit) };
    let protocol = |what: String| EngineError::Protocol { at: at.clone(), what };
    match (&wanted.range, status) {
        (None, 200) if length.is_some_and(|length| length > wanted.limit) => Err(too_large(wanted.limit)),
        (None, 200) => Ok(Plan { skip: 0, left: length, ends_with_body: true }),
        (Some(range), 200) => match length {
            // Not the whole object is read; but what comes before the range is.
            _ if range.end > MAX_OBJECT => Err(too_large(MAX_OBJECT)),
            Some(length) if length < range.end => {
                Err(EngineError::Body { at: at.clone(), fault: BodyFault::Short { wanted: range.end } })
            }
            _ => {
                let ends_with_body = length == Some(range.end);
                Ok(Plan { skip: range.start, left: Some(range.end - range.start), ends_with_body })
            }
        },
        (Some(range), 206) => {
            let size = range.end - range.start;
            let found = headers.get("content-range").and_then(|value| content_range(value.to_str().ok()?));
            match found {
                Some((start, end)) if start == range.start && end < range.end && end > start => {
                    Err(EngineError::Body { at: at.clone(), fault: BodyFault::Short { wanted: range.end } })
                }
                Some(found) if found == (range.start, range.end) && length.is_none_or(|length| length == size) => {
                    Ok(Plan { skip: 0, left: Some(size), ends_with_body: true })
                }
                _ => Err(protocol(format!("another range than the bytes from {} to {}", range.start, range.end))),
            }
        }
        _ => Err(protocol(format!("status {status}"))),
    }
}

/// First byte and end of `bytes 0-9/100`.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (first, rest) = text.strip_prefix("bytes ")?.split_once('-')?;
    let (last, _) = rest.split_once('/')?;
    Some((first.parse().ok()?, last.parse::<u64>().ok()?.checked_add(1)?))
}

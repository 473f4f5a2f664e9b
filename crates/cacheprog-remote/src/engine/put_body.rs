//! The body of a put, as often as it is sent: from its begin each time, and not more slowly than the slowest rate.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::pace::Pace;

/// What a put stores.
#[derive(Debug, Clone, Copy)]
pub struct PutBody<'a> {
    /// The bytes.
    pub content: Content<'a>,
    /// Their sha256.
    pub sha256: [u8; 32],
}

/// Where the bytes are.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// In memory.
    Bytes(&'a [u8]),
    /// In a file from its begin, so many of them.
    File(&'a File, u64),
}

impl Content<'_> {
    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, size) => *size,
        }
    }
}

/// Reads a body for one attempt.
pub(crate) struct Source<'a> {
    content: Content<'a>,
    /// Bytes that were read.
    pub(crate) sent: u64,
    pace: Pace,
    /// When the latest read ended, and its bytes: until the next one they are written to the network.
    latest: Option<(Instant, usize)>,
    /// Why a read failed.
    pub(crate) failure: Option<Failure>,
}

/// Why a body cannot be sent further.
pub(crate) enum Failure {
    /// The network takes too little.
    Slow,
    /// The file cannot be read, or is shorter than it was.
    File(io::Error),
}

impl<'a> Source<'a> {
    pub(crate) fn new(content: Content<'a>, bytes_per_second: u64, window: Duration) -> Self {
        Self { content, sent: 0, pace: Pace::new(bytes_per_second, window), latest: None, failure: None }
    }

    fn read_content(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.content.size().saturating_sub(self.sent);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.content {
            Content::Bytes(bytes) => {
                let begin = usize::try_from(self.sent).unwrap_or(usize::MAX);
                let rest = bytes.get(begin..).unwrap_or_default();
                buffer[..length].copy_from_slice(&rest[..length]);
                Ok(length)
            }
            Content::File(..) if length == 0 => Ok(0),
            Content::File(file, _) => match file.read_at(&mut buffer[..length], self.sent) {
                Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "it became shorter")),
                read => read,
            },
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((since, bytes)) = self.latest.take()
            && !self.pace.add(since.elapsed(), bytes)
        {
            self.failure = Some(Failure::Slow);
            return Err(io::Error::other("the network takes too little"));
        }
        match self.read_content(buffer) {
            Ok(bytes) => {
                self.sent += bytes as u64;
                self.latest = Some((Instant::now(), bytes));
                Ok(bytes)
            }
            Err(e) => {
                self.failure = Some(Failure::File(e));
                Err(io::Error::other("the file cannot be read"))
            }
        }
    }
}

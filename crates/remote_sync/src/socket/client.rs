//! The asking side.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use proto::error::with_causes;
use proto::wire::{read_json_line, write_json_line};

use super::{Answer, BROKEN, CHUNK, LINE, Request};
use crate::objects::{Body, ObjectError, Objects};

/// The slowest network over which a put is waited for, in bytes a second: cacheprog-remote gives up what is slower
/// (crates/cacheprog-remote/src/limits.rs).
const SLOWEST: u64 = 64 << 10;

/// What cacheprog-remote has, at its socket.
#[derive(Debug)]
pub struct RemoteObjects {
    socket: PathBuf,
    deadline: Duration,
    /// Bytes of bodies in both directions, since they were taken.
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl RemoteObjects {
    /// `deadline`: how long it may be silent. It has deadlines of its own, which are shorter, so this is for one that hangs.
    #[must_use]
    pub fn new(socket: PathBuf, deadline: Duration) -> Self {
        Self { socket, deadline, bytes: AtomicU64::new(0), requests: AtomicU64::new(0) }
    }

    /// Bytes of bodies in both directions since the last call, of what broke off too.
    pub fn take_bytes(&self) -> u64 {
        self.bytes.swap(0, Relaxed)
    }

    /// Requests that were made.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    fn ask(&self, request: &Request) -> Result<UnixStream, ObjectError> {
        let failed = |e: io::Error| ObjectError::Other(format!("{}: {e}", self.socket.display()).into());
        self.requests.fetch_add(1, Relaxed);
        let stream = transport::dial(&self.socket, self.deadline).map_err(failed)?;
        write_json_line(&stream, request).map_err(failed)?;
        Ok(stream)
    }
}

impl Objects for RemoteObjects {
    fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Body<'_>>, ObjectError> {
        let mut input = BufReader::new(self.ask(&Request::Get { name: name.to_owned(), range })?);
        match read_answer(&mut input)? {
            Answer::Found => Ok(Some(Box::new(Chunks { input, left: 0, is_over: false, bytes: &self.bytes }))),
            Answer::Missing => Ok(None),
            other => Err(unexpected(other)),
        }
    }

    fn put(&self, name: &str, body: &[u8]) -> Result<(), ObjectError> {
        let mut stream = self.ask(&Request::Put { name: name.to_owned(), size: body.len() as u64 })?;
        // It is silent while it sends the body on.
        stream.set_read_timeout(Some(self.deadline + Duration::from_secs(body.len() as u64 / SLOWEST)))?;
        // Where it answers before it has all, the answer says why.
        let sent = stream.write_all(body);
        self.bytes.fetch_add(body.len() as u64, Relaxed);
        match read_answer(&mut BufReader::new(stream)) {
            Ok(Answer::Done) => Ok(()),
            Ok(other) => Err(unexpected(other)),
            Err(e) => Err(sent.map_or_else(Into::into, |()| e)),
        }
    }
}

fn read_answer(input: &mut BufReader<UnixStream>) -> Result<Answer, ObjectError> {
    read_json_line(input, LINE).map_err(|e| ObjectError::Other(with_causes(&e).into()))
}

fn unexpected(answer: Answer) -> ObjectError {
    match answer {
        Answer::Denied(why) => ObjectError::Denied(why.into()),
        Answer::Failed(why) => ObjectError::Other(why.into()),
        Answer::Found | Answer::Missing | Answer::Done => "cacheprog-remote answers something else".into(),
    }
}

/// A body that comes in chunks.
struct Chunks<'a> {
    input: BufReader<UnixStream>,
    bytes: &'a AtomicU64,
    /// Bytes of this chunk.
    left: usize,
    is_over: bool,
}

impl Chunks<'_> {
    fn next(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.input.read_exact(&mut length)?;
        match u32::from_le_bytes(length) {
            0 => self.is_over = true,
            BROKEN => {
                let why: String = read_json_line(&mut self.input, LINE).map_err(io::Error::other)?;
                return Err(io::Error::other(why));
            }
            length => {
                self.left = usize::try_from(length).unwrap_or(usize::MAX);
                if self.left > CHUNK {
                    return Err(ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(())
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.is_over {
            self.next()?;
        }
        if self.is_over || out.is_empty() {
            return Ok(0);
        }
        let most = out.len().min(self.left);
        let read = self.input.read(&mut out[..most])?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        self.bytes.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

//! Requests as cmd/go writes them: one header at a time, with limits. The bodies are in body.rs.

use std::io::BufRead;

use serde::Deserialize;

use super::body::Body;
use crate::{ActionId, FrameError, OutputId, RequestError, limits};

/// One request. `id` names it in the answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// cmd/go's number for this request, from 1 up.
    pub id: i64,
    /// What it asks, or why it cannot be served (to be answered; the stream is in step).
    pub command: Result<Command, RequestError>,
    /// Bytes of the body that follows; read or skip it with [`Requests::body`] before the next request.
    pub body_size: u64,
}

/// What cmd/go asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Which output has this action?
    Get(ActionId),
    /// This action has this output; its bytes follow.
    Put(ActionId, OutputId),
    /// Finish, answer and close standard output.
    Close,
}

/// Reads requests from cmd/go.
#[derive(Debug)]
pub struct Requests<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: BufRead> Requests<R> {
    /// Reads from `input`; its buffer bounds the pieces in which bodies are decoded (64 KiB is a good size).
    pub fn new(input: R) -> Self {
        Self { input, line: Vec::new() }
    }

    /// The next request, or `None` at the end of the stream. The body of the one before must have been read.
    ///
    /// # Errors
    /// A [`FrameError`] where the stream cannot be followed any further.
    pub fn read(&mut self) -> Result<Option<Request>, FrameError> {
        loop {
            if !read_line(&mut self.input, &mut self.line, limits::HEADER_LINE)? {
                return Ok(None);
            }
            if !self.line.trim_ascii().is_empty() {
                break; // cmd/go ends each header with an empty line of its own
            }
        }
        let header: Header<'_> = serde_json::from_slice(&self.line)?;
        let body_size = if header.command == "put" { header.body_size } else { 0 };
        Ok(Some(Request { id: header.id, command: header.command(), body_size }))
    }

    /// The body of the put just read, `size` bytes long.
    pub fn body(&mut self, size: u64) -> Body<'_, R> {
        Body::new(&mut self.input, size)
    }
}

/// Reads one line into `line`, without its end. False at the end of the stream; what stands there unfinished is dropped,
/// as cmd/go was killed within it.
pub(crate) fn read_line<R: BufRead>(input: &mut R, line: &mut Vec<u8>, limit: usize) -> Result<bool, FrameError> {
    line.clear();
    loop {
        let buffer = match input.fill_buf() {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            return Ok(false);
        }
        let end = memchr::memchr(b'\n', buffer);
        let taken = end.unwrap_or(buffer.len());
        if line.len() + taken > limit {
            return Err(FrameError::LineTooLong(limit));
        }
        line.extend_from_slice(&buffer[..taken]);
        input.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// The JSON object, as cmd/go's `cacheprog.Request` marshals. Ids stay text until the command says which are needed.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(rename = "ID")]
    id: i64,
    #[serde(rename = "Command", borrow)]
    command: std::borrow::Cow<'a, str>,
    #[serde(rename = "ActionID", borrow, default)]
    action: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "OutputID", borrow, default)]
    output: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "ObjectID", borrow, default)]
    object: Option<std::borrow::Cow<'a, str>>, // Go 1.21-1.23; 1.24 with the experiment sends both
    #[serde(rename = "BodySize", default)]
    body_size: u64,
}

impl Header<'_> {
    fn command(&self) -> Result<Command, RequestError> {
        let action = || self.action.as_deref().ok_or(RequestError::Missing("ActionID")).and_then(ActionId::from_base64);
        match &*self.command {
            "get" => action().map(Command::Get),
            "put" => {
                let output =
                    self.output.as_deref().or(self.object.as_deref()).ok_or(RequestError::Missing("OutputID"))?;
                let put = Command::Put(action()?, OutputId::from_base64(output)?);
                if self.body_size > limits::BODY { Err(RequestError::BodyTooLarge(self.body_size)) } else { Ok(put) }
            }
            "close" => Ok(Command::Close),
            other => Err(RequestError::UnknownCommand(other.chars().take(40).collect())),
        }
    }
}

//! A put's body: `"` base64 `"` and a line feed, decoded in pieces as it arrives.
//!
//! The rule to keep: whatever was wrong with a body, the reader stands at the next header afterwards. cmd/go abandons a
//! body without a word when the file it reads shrinks, and the next header follows in the same line (Go 1.21-1.27,
//! cache/prog.go `writeToChild`): a `{`, which is no base64, is where that happened.

use std::io::{self, BufRead, Read};

use base64_simd::{Out, STANDARD};

use crate::{FrameError, RequestError, limits};

/// How a body can fail.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// cmd/go gave this put up in the middle. It has forgotten the request: send no answer.
    #[error("the put was given up by cmd/go")]
    Abandoned,
    /// The body is wrong; the stream is in step: answer the request with this.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The stream cannot be followed any further.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// The body being read. Call [`Body::chunk`] until it returns 0: only then the body was whole.
#[derive(Debug)]
pub struct Body<'a, R> {
    input: &'a mut R,
    size: u64,
    /// Base64 characters still to come.
    left: u64,
    state: State,
    /// Decoded bytes that a reader's buffer of under 3 bytes had no room for.
    spare: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    BeforeQuote,
    Within,
    Done,
}

impl<'a, R: BufRead> Body<'a, R> {
    pub(super) fn new(input: &'a mut R, size: u64) -> Self {
        // A body of 0 bytes has no line at all.
        let state = if size == 0 { State::Done } else { State::BeforeQuote };
        Self { input, size, left: size.div_ceil(3).saturating_mul(4), state, spare: Vec::new() }
    }

    /// Decodes the next piece into `out` (at least 3 bytes long) and returns its length, 0 at the end.
    ///
    /// # Errors
    /// A [`BodyError`]; the body is finished then.
    pub fn chunk(&mut self, out: &mut [u8]) -> Result<usize, BodyError> {
        match self.state {
            State::Done => Ok(0),
            State::BeforeQuote => {
                self.open()?;
                self.chunk(out)
            }
            State::Within if self.left == 0 => self.close().map(|()| 0),
            State::Within => self.decode(out),
        }
    }

    /// Decodes the next piece to the end of `out`, as much as has arrived, and returns its length, 0 at the end. Nothing is
    /// appended beyond the body's declared size.
    ///
    /// # Errors
    /// As [`Body::chunk`].
    pub fn append(&mut self, out: &mut Vec<u8>) -> Result<usize, BodyError> {
        if self.state == State::Within && self.left > 0 {
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            let buffer = self.fill()?;
            let take = (buffer.len() / 4 * 4).min(left);
            if take > 0 {
                let before = out.len();
                return match STANDARD.decode_append(&buffer[..take], out) {
                    Ok(()) => self.took(take, out.len() - before),
                    Err(_) => self.misfit(),
                };
            }
        }
        let mut few = [0; 3];
        let n = self.chunk(&mut few)?;
        out.extend_from_slice(&few[..n]);
        Ok(n)
    }

    /// Reads the rest and forgets it: for puts that cannot be kept.
    ///
    /// # Errors
    /// A [`BodyError`], as [`Body::chunk`].
    pub fn skip(&mut self) -> Result<(), BodyError> {
        let mut scratch = [0; 12 << 10];
        while self.chunk(&mut scratch)? != 0 {}
        Ok(())
    }

    fn open(&mut self) -> Result<(), BodyError> {
        loop {
            match self.peek()? {
                b'\n' | b'\r' | b' ' | b'\t' => self.input.consume(1),
                b'"' => break self.input.consume(1),
                b'{' => return self.abandoned(),
                _ => return self.resync(RequestError::BodyNotBase64),
            }
        }
        self.state = State::Within;
        Ok(())
    }

    fn decode(&mut self, out: &mut [u8]) -> Result<usize, BodyError> {
        let most = (out.len() / 3 * 4) as u64;
        let buffer = self.fill()?;
        let take = usize::try_from(most.min(buffer.len() as u64 / 4 * 4)).unwrap_or(0);
        if take == 0 {
            return self.decode_split(out); // a quantum across the edge of the buffer
        }
        let take = take.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buffer = self.fill()?;
        match STANDARD.decode(&buffer[..take], Out::from_slice(out)) {
            Ok(decoded) => self.took(take, decoded.len()),
            Err(_) => self.misfit(),
        }
    }

    fn decode_split(&mut self, out: &mut [u8]) -> Result<usize, BodyError> {
        let mut quantum = [0; 4];
        for character in &mut quantum {
            let byte = self.peek()?;
            if !is_base64(byte) {
                return self.misfit();
            }
            *character = byte;
            self.input.consume(1);
        }
        match STANDARD.decode(&quantum, Out::from_slice(out)) {
            Ok(decoded) => {
                let n = decoded.len();
                self.left -= 4;
                self.check_padding(n, 4)
            }
            Err(_) => self.resync(RequestError::BodyNotBase64),
        }
    }

    fn took(&mut self, consumed: usize, decoded: usize) -> Result<usize, BodyError> {
        self.input.consume(consumed);
        self.left -= consumed as u64;
        self.check_padding(decoded, consumed)
    }

    /// Padding may stand in the last quantum only, and must leave the declared size.
    fn check_padding(&mut self, decoded: usize, consumed: usize) -> Result<usize, BodyError> {
        let padding = consumed / 4 * 3 - decoded;
        let expected = if self.left == 0 { (self.size.div_ceil(3) * 3 - self.size) as usize } else { 0 };
        if padding == expected { Ok(decoded) } else { self.resync(RequestError::BodyLength(self.size)) }
    }

    /// The characters ahead are not all base64: find out what stands there instead.
    fn misfit(&mut self) -> Result<usize, BodyError> {
        let buffer = self.fill()?;
        let good = buffer.iter().position(|&b| !is_base64(b)).unwrap_or(buffer.len());
        let at = buffer.get(good).copied();
        self.input.consume(good);
        match at {
            Some(b'{') => self.abandoned(),
            Some(b'"') => self.resync(RequestError::BodyLength(self.size)),
            Some(_) => self.resync(RequestError::BodyNotBase64),
            None => self.resync(RequestError::BodyNotBase64), // '=' or a stray bit within
        }
    }

    /// The closing quote and its line feed; a longer body is skipped to its end.
    fn close(&mut self) -> Result<(), BodyError> {
        match self.peek()? {
            b'"' => self.input.consume(1),
            b'{' => return self.abandoned(),
            _ => return self.resync(RequestError::BodyLength(self.size)),
        }
        self.state = State::Done;
        Ok(()) // the line feed is an empty line to the next header
    }

    fn abandoned<T>(&mut self) -> Result<T, BodyError> {
        self.state = State::Done;
        Err(BodyError::Abandoned)
    }

    /// Skips to the end of the body's string (or to a `{`) and reports `error`.
    fn resync<T>(&mut self, error: RequestError) -> Result<T, BodyError> {
        self.state = State::Done;
        let mut skipped = 0;
        loop {
            let buffer = self.fill()?;
            let Some(at) = memchr::memchr3(b'"', b'{', b'\n', buffer) else {
                skipped += buffer.len() as u64;
                let all = buffer.len();
                self.input.consume(all);
                if skipped > limits::BODY / 3 * 4 {
                    return Err(FrameError::OutOfBounds("a body without end").into());
                }
                continue;
            };
            let end = buffer[at];
            self.input.consume(if end == b'{' { at } else { at + 1 });
            return Err(error.into());
        }
    }

    fn peek(&mut self) -> Result<u8, BodyError> {
        Ok(self.fill()?[0])
    }

    /// At least one byte of input.
    fn fill(&mut self) -> Result<&[u8], BodyError> {
        loop {
            match self.input.fill_buf() {
                Ok([]) => return Err(FrameError::Truncated.into()),
                Ok(_) => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(FrameError::Read(e).into()),
            }
        }
        // Filled above: this second call returns the same bytes without reading.
        self.input.fill_buf().map_err(|e| FrameError::Read(e).into())
    }
}

/// For code that takes a reader; a [`BodyError`] travels inside the [`io::Error`] and comes back with [`BodyError::from_io`].
impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.spare.is_empty() && out.len() >= 3 {
            return self.chunk(out).map_err(io::Error::other);
        }
        if self.spare.is_empty() {
            let mut quantum = [0; 3];
            let n = self.chunk(&mut quantum).map_err(io::Error::other)?;
            self.spare.extend_from_slice(&quantum[..n]);
        }
        let n = self.spare.len().min(out.len());
        out[..n].copy_from_slice(&self.spare[..n]);
        self.spare.drain(..n);
        Ok(n)
    }
}

impl BodyError {
    /// Takes the error out of what [`Body`]'s `Read` returned, or gives back what is none of ours.
    ///
    /// # Errors
    /// The error itself, where it did not come from a body.
    pub fn from_io(error: io::Error) -> Result<Self, io::Error> {
        error.downcast()
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

//! What frames are made of: a type byte, the request's id, then fixed little-endian fields and short texts.

use std::io::{BufRead, Read};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Condition, FrameError, Output, OutputId, Scope, ScopeDigest, limits};

/// A time as it travels: seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixTime {
    /// Whole seconds.
    pub seconds: u64,
    /// The rest, under 10^9.
    pub nanos: u32,
}

impl From<SystemTime> for UnixTime {
    /// Times before 1970 become 1970: no put is that old.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { seconds: since.as_secs(), nanos: since.subsec_nanos() }
    }
}

impl From<UnixTime> for SystemTime {
    fn from(time: UnixTime) -> Self {
        UNIX_EPOCH.checked_add(Duration::new(time.seconds, time.nanos)).unwrap_or(UNIX_EPOCH)
    }
}

/// Begins a frame.
pub(super) fn write_head(out: &mut Vec<u8>, kind: u8, id: u32) {
    out.push(kind);
    out.extend_from_slice(&id.to_le_bytes());
}

pub(super) fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn write_output(out: &mut Vec<u8>, output: &Output) {
    out.extend_from_slice(&output.id.0);
    write_number(out, output.size);
}

pub(super) fn write_time(out: &mut Vec<u8>, time: UnixTime) {
    write_number(out, time.seconds);
    out.extend_from_slice(&time.nanos.to_le_bytes());
}

/// A length of two bytes, then the text: a scope is at most [`limits::SCOPE`] bytes.
pub(super) fn write_scope(out: &mut Vec<u8>, scope: &Scope) {
    let text = scope.as_str();
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The digest, then the scope.
pub(super) fn write_condition(out: &mut Vec<u8>, condition: &Condition) {
    out.extend_from_slice(&condition.digest.0);
    write_scope(out, &condition.scope);
}

/// The type byte and the id of the next frame; `None` where the stream ends before it.
pub(super) fn read_head<R: BufRead>(input: &mut R) -> Result<Option<(u8, u32, Fields<'_, R>)>, FrameError> {
    let Some(kind) = first_byte(input)? else { return Ok(None) };
    let mut fields = Fields { input };
    let id = u32::from_le_bytes(fields.array()?);
    Ok(Some((kind, id, fields)))
}

fn first_byte(input: &mut impl BufRead) -> Result<Option<u8>, FrameError> {
    loop {
        match input.fill_buf() {
            Ok([]) => return Ok(None),
            Ok(&[byte, ..]) => {
                input.consume(1);
                return Ok(Some(byte));
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// The rest of a frame.
pub(super) struct Fields<'a, R> {
    input: &'a mut R,
}

impl<R: Read> Fields<'_, R> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Err(FrameError::Truncated),
            Err(e) => Err(e.into()),
        }
    }

    pub(super) fn number(&mut self) -> Result<u64, FrameError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn output(&mut self) -> Result<Output, FrameError> {
        Ok(Output { id: OutputId(self.array()?), size: self.number()? })
    }

    pub(super) fn short(&mut self) -> Result<usize, FrameError> {
        Ok(usize::from(u16::from_le_bytes(self.array()?)))
    }

    pub(super) fn text(&mut self, most: usize) -> Result<String, FrameError> {
        let length = self.number()?;
        match usize::try_from(length) {
            Ok(length) if length <= most => self.text_of(length),
            _ => Err(FrameError::OutOfBounds("a text is over the limit")),
        }
    }

    pub(super) fn scope(&mut self) -> Result<Scope, FrameError> {
        let length = self.short()?;
        if length > limits::SCOPE {
            return Err(FrameError::OutOfBounds("a scope is over the limit"));
        }
        Scope::new(&self.text_of(length)?).map_err(|_| FrameError::OutOfBounds("a scope"))
    }

    pub(super) fn condition(&mut self) -> Result<Condition, FrameError> {
        let digest = ScopeDigest(self.array()?);
        Ok(Condition { scope: self.scope()?, digest })
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::new();
        self.input.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() == length { Ok(bytes) } else { Err(FrameError::Truncated) }
    }

    fn text_of(&mut self, length: usize) -> Result<String, FrameError> {
        String::from_utf8(self.bytes(length)?).map_err(|_| FrameError::OutOfBounds("a text is no UTF-8"))
    }

    pub(super) fn time(&mut self) -> Result<UnixTime, FrameError> {
        let time = UnixTime { seconds: self.number()?, nanos: u32::from_le_bytes(self.array()?) };
        let is_a_time = time.nanos < 1_000_000_000 && time.seconds < limits::END_OF_TIME;
        if is_a_time { Ok(time) } else { Err(FrameError::OutOfBounds("a time")) }
    }
}

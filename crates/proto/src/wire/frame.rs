//! The frames after hello, fixed in size, without any text.

use std::io::{BufRead, Read};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::control::Counts;
use crate::{ActionId, FrameError, OutputId, limits};

/// What the client asks. Answers come in the order of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Which output has this action?
    Get {
        /// The action.
        action: ActionId,
    },
    /// This action has this output; `size` raw bytes follow the frame.
    Put {
        /// The action.
        action: ActionId,
        /// The sha256 of the bytes.
        output: OutputId,
        /// Their number.
        size: u64,
    },
    /// As `Put`, for the result of a test: the list of what the test looked at follows the frame, then the result.
    PutTest {
        /// The action.
        action: ActionId,
        /// The sha256 of the result.
        output: OutputId,
        /// The result's bytes.
        size: u64,
        /// The list's bytes.
        inputs: u64,
    },
    /// What this client had to do without the daemon since it last said so. There is no answer.
    Alone {
        /// Requests that the daemon left out or could not be asked.
        unanswered: u64,
        /// Puts that were kept in the build's spool.
        spooled: u64,
    },
    /// What has the whole build done so far?
    Summary,
    /// Why did the build miss, if it missed much?
    Why,
}

/// What the daemon answers. The path of an output is the welcome's directory, a slash and the output's id in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// No output is known that may be served.
    Miss,
    /// The action's output, which is in the build's directory now.
    Hit {
        /// Its id.
        output: OutputId,
        /// Its size in bytes.
        size: u64,
        /// When it was last put.
        time: Unix,
    },
    /// The action's output is a test's result, which holds while the client finds everything as the list says. Both are in
    /// the build's directory now.
    HitIf {
        /// The list: see the client's inputs.rs.
        inputs: OutputId,
        /// Its id.
        output: OutputId,
        /// Its size in bytes.
        size: u64,
        /// When it was last put.
        time: Unix,
    },
    /// The put's bytes are in the build's directory now.
    Stored {
        /// The time under which they were kept.
        time: Unix,
    },
    /// The put was read and is not kept.
    Refused(Refusal),
    /// What the build did so far.
    Summary(Counts),
    /// Why it missed, in few words; none where there is little to say.
    Why(String),
}

/// Why a put is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its bytes do not have the sha256 it named.
    Digest,
    /// The daemon could not write it (no space, say).
    Storage,
}

/// A time as it travels: seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unix {
    /// Whole seconds.
    pub seconds: u64,
    /// The rest, under 10^9.
    pub nanos: u32,
}

impl From<SystemTime> for Unix {
    /// Times before 1970 become 1970: no put is that old.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { seconds: since.as_secs(), nanos: since.subsec_nanos() }
    }
}

impl From<Unix> for SystemTime {
    fn from(time: Unix) -> Self {
        UNIX_EPOCH.checked_add(Duration::new(time.seconds, time.nanos)).unwrap_or(UNIX_EPOCH)
    }
}

const GET: u8 = b'G';
const PUT: u8 = b'P';
const PUT_TEST: u8 = b'T';
const ALONE: u8 = b'A';
const ASK_SUMMARY: u8 = b'Q';
const ASK_WHY: u8 = b'W';
const MISS: u8 = b'M';
const HIT: u8 = b'H';
const HIT_IF: u8 = b'I';
const STORED: u8 = b'S';
const REFUSED: u8 = b'R';
const SUMMARY: u8 = b'Y';
const WHY: u8 = b'X';

impl Request {
    /// Appends the frame to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Get { action } => {
                out.push(GET);
                out.extend_from_slice(&action.0);
            }
            Self::Put { action, output, size } => {
                out.push(PUT);
                out.extend_from_slice(&action.0);
                out.extend_from_slice(&output.0);
                out.extend_from_slice(&size.to_le_bytes());
            }
            Self::PutTest { action, output, size, inputs } => {
                out.push(PUT_TEST);
                out.extend_from_slice(&action.0);
                out.extend_from_slice(&output.0);
                out.extend_from_slice(&size.to_le_bytes());
                out.extend_from_slice(&inputs.to_le_bytes());
            }
            Self::Alone { unanswered, spooled } => {
                out.push(ALONE);
                out.extend_from_slice(&unanswered.to_le_bytes());
                out.extend_from_slice(&spooled.to_le_bytes());
            }
            Self::Summary => out.push(ASK_SUMMARY),
            Self::Why => out.push(ASK_WHY),
        }
    }

    /// Reads the next frame; `None` where the stream ends between two frames.
    ///
    /// # Errors
    /// A [`FrameError`]. To wait for a frame with a time limit, wait for its first byte: within one, there is no going on.
    pub fn read(input: &mut impl BufRead) -> Result<Option<Self>, FrameError> {
        let Some(kind) = first_byte(input)? else { return Ok(None) };
        let mut fields = Fields { input };
        let request = match kind {
            GET => Self::Get { action: ActionId(fields.array()?) },
            PUT => Self::Put {
                action: ActionId(fields.array()?),
                output: OutputId(fields.array()?),
                size: fields.number()?,
            },
            PUT_TEST => Self::PutTest {
                action: ActionId(fields.array()?),
                output: OutputId(fields.array()?),
                size: fields.number()?,
                inputs: fields.number()?,
            },
            ALONE => Self::Alone { unanswered: fields.number()?, spooled: fields.number()? },
            ASK_SUMMARY => Self::Summary,
            ASK_WHY => Self::Why,
            other => return Err(FrameError::UnknownFrame(other)),
        };
        if matches!(request, Self::Put { size, .. } | Self::PutTest { size, .. } if size > limits::BODY) {
            return Err(FrameError::OutOfBounds("the size of a put is over the limit"));
        }
        if matches!(request, Self::PutTest { inputs, .. } if inputs > limits::TEST_INPUTS) {
            return Err(FrameError::OutOfBounds("the list of a test's inputs is over the limit"));
        }
        Ok(Some(request))
    }
}

impl Reply {
    /// Appends the frame to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Miss => out.push(MISS),
            Self::Hit { output, size, time } => {
                out.push(HIT);
                out.extend_from_slice(&output.0);
                out.extend_from_slice(&size.to_le_bytes());
                write_time(out, *time);
            }
            Self::HitIf { inputs, output, size, time } => {
                out.push(HIT_IF);
                out.extend_from_slice(&inputs.0);
                out.extend_from_slice(&output.0);
                out.extend_from_slice(&size.to_le_bytes());
                write_time(out, *time);
            }
            Self::Stored { time } => {
                out.push(STORED);
                write_time(out, *time);
            }
            Self::Refused(why) => {
                out.push(REFUSED);
                out.push(match why {
                    Refusal::Digest => 1,
                    Refusal::Storage => 2,
                });
            }
            Self::Summary(counts) => {
                out.push(SUMMARY);
                counts.values().iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
            }
            Self::Why(text) => {
                let mut end = text.len().min(limits::WHY);
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                out.push(WHY);
                out.extend_from_slice(&(end as u64).to_le_bytes());
                out.extend_from_slice(&text.as_bytes()[..end]);
            }
        }
    }

    /// Reads the next frame; `None` where the stream ends between two frames.
    ///
    /// # Errors
    /// A [`FrameError`]. To wait for a frame with a time limit, wait for its first byte: within one, there is no going on.
    pub fn read(input: &mut impl BufRead) -> Result<Option<Self>, FrameError> {
        let Some(kind) = first_byte(input)? else { return Ok(None) };
        let mut fields = Fields { input };
        Ok(Some(match kind {
            MISS => Self::Miss,
            HIT => Self::Hit { output: OutputId(fields.array()?), size: fields.number()?, time: fields.time()? },
            HIT_IF => Self::HitIf {
                inputs: OutputId(fields.array()?),
                output: OutputId(fields.array()?),
                size: fields.number()?,
                time: fields.time()?,
            },
            STORED => Self::Stored { time: fields.time()? },
            REFUSED => Self::Refused(match fields.array()? {
                [1] => Refusal::Digest,
                [2] => Refusal::Storage,
                _ => return Err(FrameError::OutOfBounds("unknown refusal")),
            }),
            SUMMARY => {
                let mut values = [0; Counts::NUMBER];
                for value in &mut values {
                    *value = fields.number()?;
                }
                Self::Summary(Counts::of(values))
            }
            WHY => Self::Why(fields.text(limits::WHY)?),
            other => return Err(FrameError::UnknownFrame(other)),
        }))
    }
}

fn write_time(out: &mut Vec<u8>, time: Unix) {
    out.extend_from_slice(&time.seconds.to_le_bytes());
    out.extend_from_slice(&time.nanos.to_le_bytes());
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

struct Fields<'a, R> {
    input: &'a mut R,
}

impl<R: Read> Fields<'_, R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Err(FrameError::Truncated),
            Err(e) => Err(e.into()),
        }
    }

    fn number(&mut self) -> Result<u64, FrameError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self, most: usize) -> Result<String, FrameError> {
        let length = self.number()?;
        if length > most as u64 {
            return Err(FrameError::OutOfBounds("a text is over the limit"));
        }
        let mut bytes = Vec::new();
        self.input.take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(FrameError::Truncated);
        }
        String::from_utf8(bytes).map_err(|_| FrameError::OutOfBounds("a text is no UTF-8"))
    }

    fn time(&mut self) -> Result<Unix, FrameError> {
        let time = Unix { seconds: self.number()?, nanos: u32::from_le_bytes(self.array()?) };
        let is_a_time = time.nanos < 1_000_000_000 && time.seconds < limits::END_OF_TIME;
        if is_a_time { Ok(time) } else { Err(FrameError::OutOfBounds("a time")) }
    }
}

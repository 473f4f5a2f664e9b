//! The replies of the daemon.

use std::io::BufRead;

use super::fields::{UnixTime, read_head, write_condition, write_head, write_number, write_output, write_time};
use crate::counts::Counts;
use crate::{Condition, FrameError, Output, OutputId, limits};

/// What the daemon answers, under the id of the request and in any order. The path of an output is the welcome's directory, a
/// slash and the output's id in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// No output is known that may be served.
    Miss,
    /// The action's output, which is in the build's directory now.
    Hit {
        /// The output.
        output: Output,
        /// When it was last put.
        time: UnixTime,
    },
    /// The action's output is a test's result, which holds while the client finds everything as the list says. Both are in
    /// the build's directory now. The client says [`super::Request::Accepted`] or [`super::Request::Rejected`] when it has looked.
    HitIf {
        /// The list: see the client's folder for test results.
        inputs: OutputId,
        /// The output.
        output: Output,
        /// When it was last put.
        time: UnixTime,
    },
    /// The action has outputs, each with the condition under which it is this build's. All of them are in the build's
    /// directory now. The client says which one it takes, or that it takes none, as after `HitIf`.
    Conditional {
        /// One to [`limits::CONDITIONS`], the newest first.
        candidates: Vec<Candidate>,
    },
    /// The put's bytes are in the build's directory now.
    Stored {
        /// The time under which they were kept.
        time: UnixTime,
    },
    /// The put was read and is not kept.
    Refused(Refusal),
    /// What the build did so far.
    Summary(Counts),
    /// Why it missed, in few words; none where there is little to say.
    Why(String),
}

/// One output of an action, and when it is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// When it is the build's.
    pub condition: Condition,
    /// The output.
    pub output: Output,
    /// When it was last put.
    pub time: UnixTime,
}

/// Why a put is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its bytes do not have the sha256 it named.
    Digest,
    /// The daemon could not write it (no space, say).
    Storage,
}

const MISS: u8 = b'M';
const HIT: u8 = b'H';
const HIT_IF: u8 = b'I';
const CONDITIONAL: u8 = b'O';
const STORED: u8 = b'S';
const REFUSED: u8 = b'R';
const SUMMARY: u8 = b'Y';
const WHY: u8 = b'X';

impl Reply {
    /// Appends the frame to `out`.
    pub fn write(&self, id: u32, out: &mut Vec<u8>) {
        match self {
            Self::Miss => write_head(out, MISS, id),
            Self::Hit { output, time } => {
                write_head(out, HIT, id);
                write_hit(out, output, *time);
            }
            Self::HitIf { inputs, output, time } => {
                write_head(out, HIT_IF, id);
                out.extend_from_slice(&inputs.0);
                write_hit(out, output, *time);
            }
            Self::Conditional { candidates } => {
                let candidates = &candidates[..candidates.len().min(limits::CONDITIONS)];
                write_head(out, CONDITIONAL, id);
                out.push(u8::try_from(candidates.len()).unwrap_or(0));
                for Candidate { condition, output, time } in candidates {
                    write_condition(out, condition);
                    write_hit(out, output, *time);
                }
            }
            Self::Stored { time } => {
                write_head(out, STORED, id);
                write_time(out, *time);
            }
            Self::Refused(why) => {
                write_head(out, REFUSED, id);
                out.push(match why {
                    Refusal::Digest => 1,
                    Refusal::Storage => 2,
                });
            }
            Self::Summary(counts) => {
                write_head(out, SUMMARY, id);
                counts.values().into_iter().for_each(|value| write_number(out, value));
            }
            Self::Why(text) => {
                let mut end = text.len().min(limits::WHY);
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                write_head(out, WHY, id);
                write_number(out, end as u64);
                out.extend_from_slice(&text.as_bytes()[..end]);
            }
        }
    }

    /// Reads the next frame; `None` where the stream ends between two frames.
    ///
    /// # Errors
    /// A [`FrameError`]. To wait for a frame with a time limit, wait for its first byte: within one, there is no going on.
    pub fn read(input: &mut impl BufRead) -> Result<Option<(u32, Self)>, FrameError> {
        let Some((kind, id, mut fields)) = read_head(input)? else { return Ok(None) };
        let reply = match kind {
            MISS => Self::Miss,
            HIT => Self::Hit { output: fields.output()?, time: fields.time()? },
            HIT_IF => Self::HitIf { inputs: OutputId(fields.array()?), output: fields.output()?, time: fields.time()? },
            CONDITIONAL => {
                let [count] = fields.array()?;
                if !(1..=limits::CONDITIONS).contains(&usize::from(count)) {
                    return Err(FrameError::OutOfBounds("a number of candidates"));
                }
                let mut candidate =
                    || Ok(Candidate { condition: fields.condition()?, output: fields.output()?, time: fields.time()? });
                let candidates = (0..count).map(|_| candidate()).collect::<Result<_, FrameError>>()?;
                Self::Conditional { candidates }
            }
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
        };
        Ok(Some((id, reply)))
    }
}

fn write_hit(out: &mut Vec<u8>, output: &Output, time: UnixTime) {
    write_output(out, output);
    write_time(out, time);
}

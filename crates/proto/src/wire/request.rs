//! The requests and notices of the client.

use std::io::BufRead;

use super::fields::{read_head, write_condition, write_head, write_number, write_output};
use crate::{ActionId, Condition, FrameError, Output, OutputId, limits};

/// A request of the client, or a notice, which has no answer. Each frame has an id, which the client chooses; the reply has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Which output has this action?
    Get {
        /// The action.
        action: ActionId,
    },
    /// This action has this output, for every build; its raw bytes follow the frame.
    Put {
        /// The action.
        action: ActionId,
        /// The sha256 and the number of the bytes.
        output: Output,
    },
    /// As `Put`, for an output that is this build's and this GOCACHE's alone, unless a `Share` follows.
    PutPrivate {
        /// The action.
        action: ActionId,
        /// The sha256 and the number of the bytes.
        output: Output,
    },
    /// What was put with `PutPrivate` is for other builds too. There is no answer.
    Share {
        /// The action.
        action: ActionId,
        /// The output that was put for it.
        output: OutputId,
        /// When it is another build's; `None`: always.
        condition: Option<Condition>,
    },
    /// What a condition's digest is made of, for `why` alone. There is no answer.
    Parts {
        /// The scope and its digest.
        condition: Condition,
        /// Lines of text, at most [`limits::PARTS`] bytes; more are cut off.
        parts: Vec<u8>,
    },
    /// As `Put`, for the result of a test: the list of what the test looked at follows the frame, then the result.
    PutTest {
        /// The action.
        action: ActionId,
        /// The sha256 and the number of the result's bytes.
        output: Output,
        /// The list's bytes.
        inputs: u64,
    },
    /// These actions were used without asking for them, at most [`limits::USED`]. There is no answer.
    Used(Vec<ActionId>),
    /// The offer that answered the get with this id holds, and is used: which of its candidates, counted from 0. There is no
    /// answer.
    Accepted(u8),
    /// The offer that answered the get with this id does not hold. There is no answer.
    Rejected,
    /// What this client had to do without the daemon since its last such notice. There is no answer.
    WithoutDaemon {
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

const GET: u8 = b'G';
const PUT: u8 = b'P';
const PUT_PRIVATE: u8 = b'V';
const PUT_TEST: u8 = b'T';
const SHARE: u8 = b'S';
const PARTS: u8 = b'D';
const USED: u8 = b'U';
const ACCEPTED: u8 = b'+';
const REJECTED: u8 = b'-';
const WITHOUT_DAEMON: u8 = b'A';
const SUMMARY: u8 = b'Q';
const WHY: u8 = b'W';

impl Request {
    /// Appends the frame to `out`.
    pub fn write(&self, id: u32, out: &mut Vec<u8>) {
        match self {
            Self::Get { action } => {
                write_head(out, GET, id);
                out.extend_from_slice(&action.0);
            }
            Self::Put { action, output } => {
                write_head(out, PUT, id);
                write_put(out, action, output);
            }
            Self::PutPrivate { action, output } => {
                write_head(out, PUT_PRIVATE, id);
                write_put(out, action, output);
            }
            Self::Share { action, output, condition } => {
                write_head(out, SHARE, id);
                out.extend_from_slice(&action.0);
                out.extend_from_slice(&output.0);
                out.push(condition.is_some().into());
                condition.iter().for_each(|condition| write_condition(out, condition));
            }
            Self::Parts { condition, parts } => {
                let parts = &parts[..parts.len().min(limits::PARTS)];
                write_head(out, PARTS, id);
                write_condition(out, condition);
                out.extend_from_slice(&u32::try_from(parts.len()).unwrap_or(0).to_le_bytes());
                out.extend_from_slice(parts);
            }
            Self::PutTest { action, output, inputs } => {
                write_head(out, PUT_TEST, id);
                write_put(out, action, output);
                write_number(out, *inputs);
            }
            Self::Used(actions) => {
                write_head(out, USED, id);
                let actions = &actions[..actions.len().min(limits::USED)];
                out.extend_from_slice(&u16::try_from(actions.len()).unwrap_or(0).to_le_bytes());
                actions.iter().for_each(|action| out.extend_from_slice(&action.0));
            }
            Self::Accepted(candidate) => {
                write_head(out, ACCEPTED, id);
                out.push(*candidate);
            }
            Self::Rejected => write_head(out, REJECTED, id),
            Self::WithoutDaemon { unanswered, spooled } => {
                write_head(out, WITHOUT_DAEMON, id);
                write_number(out, *unanswered);
                write_number(out, *spooled);
            }
            Self::Summary => write_head(out, SUMMARY, id),
            Self::Why => write_head(out, WHY, id),
        }
    }

    /// Reads the next frame; `None` where the stream ends between two frames.
    ///
    /// # Errors
    /// A [`FrameError`]. To wait for a frame with a time limit, wait for its first byte: within one, there is no going on.
    pub fn read(input: &mut impl BufRead) -> Result<Option<(u32, Self)>, FrameError> {
        let Some((kind, id, mut fields)) = read_head(input)? else { return Ok(None) };
        let request = match kind {
            GET => Self::Get { action: ActionId(fields.array()?) },
            PUT => Self::Put { action: ActionId(fields.array()?), output: body(fields.output()?)? },
            PUT_PRIVATE => Self::PutPrivate { action: ActionId(fields.array()?), output: body(fields.output()?)? },
            SHARE => Self::Share {
                action: ActionId(fields.array()?),
                output: OutputId(fields.array()?),
                condition: match fields.array()? {
                    [0] => None,
                    [1] => Some(fields.condition()?),
                    _ => return Err(FrameError::OutOfBounds("whether there is a condition")),
                },
            },
            PARTS => Self::Parts {
                condition: fields.condition()?,
                parts: match usize::try_from(u32::from_le_bytes(fields.array()?)) {
                    Ok(length) if length <= limits::PARTS => fields.bytes(length)?,
                    _ => return Err(FrameError::OutOfBounds("the parts of a condition are over the limit")),
                },
            },
            PUT_TEST => Self::PutTest {
                action: ActionId(fields.array()?),
                output: body(fields.output()?)?,
                inputs: list(fields.number()?)?,
            },
            USED => {
                let count = fields.short()?;
                if count > limits::USED {
                    return Err(FrameError::OutOfBounds("too many actions at once"));
                }
                Self::Used((0..count).map(|_| fields.array().map(ActionId)).collect::<Result<_, _>>()?)
            }
            ACCEPTED => match fields.array()? {
                [candidate] if usize::from(candidate) < limits::CONDITIONS => Self::Accepted(candidate),
                _ => return Err(FrameError::OutOfBounds("there is no such candidate")),
            },
            REJECTED => Self::Rejected,
            WITHOUT_DAEMON => Self::WithoutDaemon { unanswered: fields.number()?, spooled: fields.number()? },
            SUMMARY => Self::Summary,
            WHY => Self::Why,
            other => return Err(FrameError::UnknownFrame(other)),
        };
        Ok(Some((id, request)))
    }

    /// Raw bytes that follow the frame.
    #[must_use]
    pub fn body(&self) -> u64 {
        match self {
            Self::Put { output, .. } | Self::PutPrivate { output, .. } => output.size,
            Self::PutTest { output, inputs, .. } => inputs + output.size,
            Self::Get { .. }
            | Self::Share { .. }
            | Self::Parts { .. }
            | Self::Used(_)
            | Self::Accepted(_)
            | Self::Rejected
            | Self::WithoutDaemon { .. }
            | Self::Summary
            | Self::Why => 0,
        }
    }
}

fn write_put(out: &mut Vec<u8>, action: &ActionId, output: &Output) {
    out.extend_from_slice(&action.0);
    write_output(out, output);
}

fn body(output: Output) -> Result<Output, FrameError> {
    let is_over = output.size > limits::BODY;
    if is_over { Err(FrameError::OutOfBounds("the size of a put is over the limit")) } else { Ok(output) }
}

fn list(size: u64) -> Result<u64, FrameError> {
    let is_over = size > limits::TEST_INPUTS;
    if is_over { Err(FrameError::OutOfBounds("the list of a test's inputs is over the limit")) } else { Ok(size) }
}

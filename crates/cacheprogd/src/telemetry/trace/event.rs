//! The events of a trace and their format. No other file reads or writes it. Pure.
//!
//! A type byte, then fields of fixed width, little-endian; a session is a length and JSON. docs/reference/on-disk.md has the
//! layout.

use std::io::{BufRead, Read};

use proto::profile::{PutOutcome, Session};
use proto::{ActionId, Condition, OutputId, Scope, ScopeDigest, limits};
use store::Kind;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A kind of go command. Their order numbers them.
    Session(Session),
    Get(Get),
    Put(Put),
    /// A condition that later events name. Their order numbers them.
    Condition(Condition),
    /// The build has this condition, by its number.
    Has(u16),
    /// What the build put privately was shared afterwards.
    Share(Share),
    /// These conditions, by their numbers, were offered for an action, and none of them held.
    Rejected(ActionId, Vec<u16>),
}

/// A private put was shared, for the first time of its action in this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) action: ActionId,
    pub(crate) outcome: PutOutcome,
    /// The number of its condition, if it has one.
    pub(crate) condition: Option<u16>,
}

/// An action was asked for, for the first time in this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Get {
    pub(crate) session: u16,
    /// Since the build was registered.
    pub(crate) at_ms: u32,
    pub(crate) action: ActionId,
    pub(crate) outcome: GetOutcome,
}

/// The answer to a get, with the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GetOutcome {
    Miss,
    Hit(OutputId),
    /// A hit under a condition, which the client found to hold.
    HitIf(OutputId),
    /// A hit under a condition that did not hold.
    Rejected(OutputId),
    /// A hit that was answered as a miss.
    Withheld,
    /// Only what is in quarantine.
    Quarantined,
}

/// An action was put, for the first time in this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) session: u16,
    pub(crate) at_ms: u32,
    /// From the miss; 0 where there was none.
    pub(crate) cost_ms: u32,
    pub(crate) outcome: PutOutcome,
    pub(crate) kind: Kind,
    pub(crate) action: ActionId,
    pub(crate) output: OutputId,
}

const SESSION: u8 = b'S';
const GET: u8 = b'G';
const PUT: u8 = b'P';
const CONDITION: u8 = b'C';
const HAS: u8 = b'H';
const SHARE: u8 = b'A';
const REJECTED: u8 = b'R';

/// The number that stands for no condition.
const NONE: u16 = u16::MAX;

impl Event {
    /// Appends the event to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Session(session) => {
                // Serialising plain data into memory cannot fail.
                let json = serde_json::to_vec(session).unwrap_or_default();
                out.push(SESSION);
                out.extend_from_slice(&u32::try_from(json.len()).unwrap_or(0).to_le_bytes());
                out.extend_from_slice(&json);
            }
            Self::Get(Get { session, at_ms, action, outcome }) => {
                let (outcome, output) = match outcome {
                    GetOutcome::Miss => (0, OutputId([0; 32])),
                    GetOutcome::Hit(output) => (1, *output),
                    GetOutcome::HitIf(output) => (2, *output),
                    GetOutcome::Rejected(output) => (3, *output),
                    GetOutcome::Withheld => (4, OutputId([0; 32])),
                    GetOutcome::Quarantined => (5, OutputId([0; 32])),
                };
                out.extend_from_slice(&[GET, outcome]);
                out.extend_from_slice(&session.to_le_bytes());
                out.extend_from_slice(&at_ms.to_le_bytes());
                out.extend_from_slice(&action.0);
                out.extend_from_slice(&output.0);
            }
            Self::Put(put) => {
                out.extend_from_slice(&[PUT, byte_of(put.outcome), store::kind_letter(put.kind) as u8]);
                out.extend_from_slice(&put.session.to_le_bytes());
                out.extend_from_slice(&put.at_ms.to_le_bytes());
                out.extend_from_slice(&put.cost_ms.to_le_bytes());
                out.extend_from_slice(&put.action.0);
                out.extend_from_slice(&put.output.0);
            }
            Self::Condition(Condition { scope, digest }) => {
                out.push(CONDITION);
                out.extend_from_slice(&digest.0);
                out.extend_from_slice(&u16::try_from(scope.as_str().len()).unwrap_or(0).to_le_bytes());
                out.extend_from_slice(scope.as_str().as_bytes());
            }
            Self::Has(number) => {
                out.push(HAS);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::Share(Share { action, outcome, condition }) => {
                out.extend_from_slice(&[SHARE, byte_of(*outcome)]);
                out.extend_from_slice(&condition.unwrap_or(NONE).to_le_bytes());
                out.extend_from_slice(&action.0);
            }
            Self::Rejected(action, conditions) => {
                let conditions = &conditions[..conditions.len().min(limits::CONDITIONS)];
                out.extend_from_slice(&[REJECTED, u8::try_from(conditions.len()).unwrap_or(0)]);
                out.extend_from_slice(&action.0);
                conditions.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
            }
        }
    }

    /// The next event; `None` at the end and at bytes that are no event.
    fn read(input: &mut impl Read) -> Option<Self> {
        let [tag] = array(input)?;
        match tag {
            SESSION => {
                let length = u32::from_le_bytes(array(input)?);
                if length as usize > 2 * limits::HELLO_LINE {
                    return None;
                }
                let mut json = Vec::new();
                input.take(u64::from(length)).read_to_end(&mut json).ok()?;
                (json.len() == length as usize).then(|| serde_json::from_slice(&json).ok().map(Self::Session))?
            }
            GET => {
                let [outcome] = array(input)?;
                let session = u16::from_le_bytes(array(input)?);
                let at_ms = u32::from_le_bytes(array(input)?);
                let (action, output) = (ActionId(array(input)?), OutputId(array(input)?));
                let outcome = match outcome {
                    0 => GetOutcome::Miss,
                    1 => GetOutcome::Hit(output),
                    2 => GetOutcome::HitIf(output),
                    3 => GetOutcome::Rejected(output),
                    4 => GetOutcome::Withheld,
                    5 => GetOutcome::Quarantined,
                    _ => return None,
                };
                Some(Self::Get(Get { session, at_ms, action, outcome }))
            }
            PUT => {
                let [outcome, kind] = array(input)?;
                Some(Self::Put(Put {
                    kind: store::kind_of_letter(char::from(kind))?,
                    outcome: outcome_of(outcome)?,
                    session: u16::from_le_bytes(array(input)?),
                    at_ms: u32::from_le_bytes(array(input)?),
                    cost_ms: u32::from_le_bytes(array(input)?),
                    action: ActionId(array(input)?),
                    output: OutputId(array(input)?),
                }))
            }
            CONDITION => read_condition(input).map(Self::Condition),
            HAS => Some(Self::Has(u16::from_le_bytes(array(input)?))),
            SHARE => {
                let [outcome] = array(input)?;
                let condition = Some(u16::from_le_bytes(array(input)?)).filter(|number| *number != NONE);
                let action = ActionId(array(input)?);
                Some(Self::Share(Share { action, outcome: outcome_of(outcome)?, condition }))
            }
            REJECTED => {
                let [count] = array(input)?;
                if usize::from(count) > limits::CONDITIONS {
                    return None;
                }
                let action = ActionId(array(input)?);
                let numbers = (0..count).map(|_| array(input).map(u16::from_le_bytes));
                Some(Self::Rejected(action, numbers.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}

fn read_condition(input: &mut impl Read) -> Option<Condition> {
    let digest = ScopeDigest(array(input)?);
    let length = usize::from(u16::from_le_bytes(array(input)?));
    if length > limits::SCOPE {
        return None;
    }
    let mut scope = vec![0; length];
    input.read_exact(&mut scope).ok()?;
    Some(Condition { scope: Scope::new(std::str::from_utf8(&scope).ok()?).ok()?, digest })
}

fn byte_of(outcome: PutOutcome) -> u8 {
    match outcome {
        PutOutcome::Shared => 0,
        PutOutcome::Private => 1,
        PutOutcome::Conflict => 2,
        PutOutcome::Refused => 3,
    }
}

fn outcome_of(byte: u8) -> Option<PutOutcome> {
    let all = [PutOutcome::Shared, PutOutcome::Private, PutOutcome::Conflict, PutOutcome::Refused];
    all.get(usize::from(byte)).copied()
}

fn array<const N: usize>(input: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// The events of a trace, up to its end or to an event that was cut off.
#[derive(Debug)]
pub(crate) struct Events<R> {
    input: Counting<R>,
    /// Bytes of whole events.
    whole: u64,
}

impl<R: BufRead> Events<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input: Counting { input, count: 0 }, whole: 0 }
    }

    /// Bytes of whole events so far.
    pub(crate) fn whole_bytes(&self) -> u64 {
        self.whole
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.input.count != self.whole {
            return None; // in the middle of bytes that are no event
        }
        let event = Event::read(&mut self.input)?;
        self.whole = self.input.count;
        Some(event)
    }
}

#[derive(Debug)]
struct Counting<R> {
    input: R,
    count: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.count += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Event> {
        let (action, output) = (ActionId([7; 32]), OutputId([9; 32]));
        let mut all = vec![Event::Session(Session::default())];
        for outcome in [
            GetOutcome::Miss,
            GetOutcome::Hit(output),
            GetOutcome::HitIf(output),
            GetOutcome::Rejected(output),
            GetOutcome::Withheld,
            GetOutcome::Quarantined,
        ] {
            all.push(Event::Get(Get { session: 1, at_ms: 2, action, outcome }));
        }
        let outcomes = [PutOutcome::Shared, PutOutcome::Private, PutOutcome::Conflict, PutOutcome::Refused];
        for (outcome, kind) in outcomes.into_iter().cycle().zip(Kind::ALL) {
            all.push(Event::Share(Share { action, outcome, condition: None }));
            all.push(Event::Put(Put { session: 3, at_ms: 4, cost_ms: 5, outcome, kind, action, output }));
        }
        let condition = Condition { scope: Scope::new("module é@v1").unwrap(), digest: ScopeDigest([3; 32]) };
        let share = Share { action, outcome: PutOutcome::Shared, condition: Some(7) };
        let rejected = Event::Rejected(action, (0..8).collect());
        all.extend([Event::Condition(condition), Event::Has(9), Event::Share(share), rejected]);
        all
    }

    #[test]
    fn events_are_read_back_up_to_one_that_was_cut_off() {
        let mut bytes = Vec::new();
        all().iter().for_each(|event| event.write(&mut bytes));
        let read = |bytes: &[u8]| Events::new(bytes).collect::<Vec<_>>();
        assert_eq!(read(&bytes), all());
        for (n, event) in all().into_iter().enumerate().filter(|(_, event)| !matches!(event, Event::Session(_))) {
            let mut last = Vec::new();
            event.write(&mut last);
            for cut in 1..last.len() {
                let cut_off = [&bytes[..], &last[..last.len() - cut]].concat();
                let mut events = Events::new(&cut_off[..]);
                assert_eq!(events.by_ref().collect::<Vec<_>>(), all(), "{n}");
                assert_eq!(events.whole_bytes(), bytes.len() as u64);
            }
        }
        assert_eq!(read(b"Xgarbage"), []);
        assert_eq!(read(b"S\xff\xff\xff\xff"), []);
        assert_eq!(read(&[&[REJECTED, 9][..], &[0; 99]].concat()), []);
        assert_eq!(read(&[&[CONDITION][..], &[0xff; 999]].concat()), []);
    }
}

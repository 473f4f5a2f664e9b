//! What a live build asked for and with which outcome: kept in a file beside the build, for questions why it missed.
//!
//! A request costs one look into a set and, the first time, some bytes in a buffer; the file is written in pieces. Nothing that
//! is served depends on it: what cannot be written is left out. The file's format is event.rs's; `build_profile/` makes a profile
//! of it.

pub(crate) mod event;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::profile::{PutOutcome, Session};
use proto::wire::{Command, Hello};
use proto::{ActionId, Condition, OutputId};

use crate::limits::{TRACE_BUFFER, TRACE_CONDITIONS, TRACE_EVENTS, TRACE_SESSIONS};
use crate::mutex::lock;
use event::{Event, Events, Get, GetOutcome, Put, Share};

/// The trace of one build.
#[derive(Debug)]
pub(crate) struct Trace {
    path: PathBuf,
    started: SystemTime,
    /// Guards nothing else; no file is touched while it is held.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What is written already: the first bytes of an action, and which event.
    written: HashSet<[u8; 8]>,
    /// Hashes of sessions, to their numbers.
    sessions: HashMap<u64, u16>,
    /// Hashes of conditions, to their numbers.
    conditions: HashMap<u64, u16>,
    /// The numbers of those that the build has.
    has: HashSet<u16>,
    /// Bytes that wait to be written.
    buffer: Vec<u8>,
}

impl Trace {
    /// Continues the trace that an earlier daemon wrote, if there is one, and returns what the build was served or put under it.
    /// `started` is in seconds since 1970.
    pub(crate) fn open(path: PathBuf, started: u64) -> (Self, Vec<(ActionId, OutputId)>) {
        let Known { sessions, conditions, has, served_or_put } = read_known(&path);
        let state = Mutex::new(State { sessions, conditions, has, ..State::default() });
        (Self { path, started: UNIX_EPOCH + Duration::from_secs(started), state }, served_or_put)
    }

    /// The number of a session like this one. All beyond the limit have the same number.
    pub(crate) fn session(&self, hello: &Hello) -> u16 {
        let session = Session {
            toolchain: hello.toolchain.clone(),
            command: hello.command.clone().map(without_paths),
            only_conditional: hello.only_conditional,
        };
        let mut state = lock(&self.state);
        let next = state.sessions.len();
        let last = u16::try_from(TRACE_SESSIONS).unwrap_or(u16::MAX);
        let hash = hash(&session);
        if let Some(number) = state.sessions.get(&hash) {
            return *number;
        }
        if next >= TRACE_SESSIONS {
            return last;
        }
        let number = u16::try_from(next).unwrap_or(last);
        state.sessions.insert(hash, number);
        Event::Session(session).write(&mut state.buffer);
        number
    }

    /// A get was answered.
    pub(crate) fn get(&self, session: u16, action: &ActionId, outcome: GetOutcome, now: SystemTime) {
        self.record(action, b'G', || Event::Get(Get { session, at_ms: self.since(now), action: *action, outcome }));
    }

    /// A put was stored, or not.
    pub(crate) fn put(&self, put: impl FnOnce(u32) -> Put, action: &ActionId, now: SystemTime) {
        self.record(action, b'P', || Event::Put(put(self.since(now))));
    }

    /// The build has this condition: its client computed it, or found it to hold. False where the build has too many.
    pub(crate) fn has(&self, condition: &Condition) -> bool {
        let (number, piece) = {
            let mut state = lock(&self.state);
            let number = state.number(condition);
            if let Some(number) = number
                && state.has.insert(number)
            {
                Event::Has(number).write(&mut state.buffer);
            }
            (number, state.full_buffer())
        };
        self.append(&piece);
        number.is_some()
    }

    /// Whether the build has this condition, as far as it was told.
    pub(crate) fn had(&self, condition: &Condition) -> bool {
        let state = lock(&self.state);
        state.conditions.get(&hash(condition)).is_some_and(|number| state.has.contains(number))
    }

    /// What the build put privately for an action is shared now, or could not be.
    pub(crate) fn share(&self, action: &ActionId, outcome: PutOutcome, condition: Option<&Condition>) {
        let condition = condition.and_then(|condition| lock(&self.state).number(condition));
        self.record(action, b'A', || Event::Share(Share { action: *action, outcome, condition }));
    }

    /// None of the conditions that were offered for an action held.
    pub(crate) fn rejected<'a>(&self, action: &ActionId, offered: impl Iterator<Item = &'a Condition>) {
        let numbers = {
            let mut state = lock(&self.state);
            offered.filter_map(|condition| state.number(condition)).collect()
        };
        self.record(action, b'R', || Event::Rejected(*action, numbers));
    }

    /// Writes what is buffered. What cannot be written is dropped.
    pub(crate) fn flush(&self) {
        let bytes = std::mem::take(&mut lock(&self.state).buffer);
        self.append(&bytes);
    }

    /// Writes the first event of a kind and an action, and no later one.
    fn record(&self, action: &ActionId, kind: u8, event: impl FnOnce() -> Event) {
        let mut key = [0; 8];
        key.copy_from_slice(&action.0[..8]);
        key[7] = kind;
        let piece = {
            let mut state = lock(&self.state);
            if state.written.len() >= TRACE_EVENTS || !state.written.insert(key) {
                return;
            }
            event().write(&mut state.buffer);
            state.full_buffer()
        };
        self.append(&piece);
    }

    fn append(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let opened = File::options().create(true).append(true).mode(0o600).open(&self.path);
        let written = opened.and_then(|mut file| file.write_all(bytes));
        if let Err(e) = written {
            log::debug!("{}: {e}", self.path.display());
        }
    }

    fn since(&self, now: SystemTime) -> u32 {
        let since = now.duration_since(self.started).unwrap_or_default();
        u32::try_from(since.as_millis()).unwrap_or(u32::MAX)
    }
}

impl State {
    /// What is buffered, once it is worth a write.
    fn full_buffer(&mut self) -> Vec<u8> {
        if self.buffer.len() < TRACE_BUFFER { Vec::new() } else { std::mem::take(&mut self.buffer) }
    }

    /// The number of a condition; none for all beyond the limit.
    fn number(&mut self, condition: &Condition) -> Option<u16> {
        let hash = hash(condition);
        if let Some(number) = self.conditions.get(&hash) {
            return Some(*number);
        }
        let number = u16::try_from(self.conditions.len()).ok().filter(|n| usize::from(*n) < TRACE_CONDITIONS)?;
        self.conditions.insert(hash, number);
        Event::Condition(condition.clone()).write(&mut self.buffer);
        Some(number)
    }
}

/// Temporary files of a go command have other names each time: without them two runs of a command are the same session.
fn without_paths(mut command: Command) -> Command {
    for argument in &mut command.arguments {
        if let Some((name, _)) = argument.split_once("/go-build") {
            *argument = format!("{name}/go-build");
        }
    }
    command
}

fn hash(numbered: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    numbered.hash(&mut hasher);
    hasher.finish()
}

/// What a file holds already.
#[derive(Default)]
struct Known {
    sessions: HashMap<u64, u16>,
    conditions: HashMap<u64, u16>,
    has: HashSet<u16>,
    served_or_put: Vec<(ActionId, OutputId)>,
}

/// Reads what is in a file; cuts off an event that a killed daemon left half written.
fn read_known(path: &Path) -> Known {
    let mut known = Known::default();
    let Ok(file) = File::options().read(true).write(true).open(path) else { return known };
    let mut events = Events::new(BufReader::new(&file));
    let mut sessions = Vec::new();
    for event in events.by_ref() {
        match event {
            Event::Session(session) if sessions.len() < TRACE_SESSIONS => sessions.push(hash(&session)),
            Event::Get(Get { action, outcome: GetOutcome::Hit(output) | GetOutcome::HitIf(output), .. })
            | Event::Put(Put { action, output, .. }) => known.served_or_put.push((action, output)),
            Event::Condition(condition) => {
                let next = u16::try_from(known.conditions.len()).unwrap_or(u16::MAX);
                known.conditions.insert(hash(&condition), next);
            }
            Event::Has(number) => drop(known.has.insert(number)),
            Event::Get(_) | Event::Session(_) | Event::Share(_) | Event::Rejected(..) => {}
        }
    }
    known.sessions = sessions.into_iter().zip(0..).collect();
    if let Err(e) = file.set_len(events.whole_bytes()) {
        log::debug!("{}: {e}", path.display());
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::wire::Toolchain;
    use proto::{ScopeDigest, scopes};

    const NOW: SystemTime = UNIX_EPOCH;

    fn events(trace: &Trace) -> Vec<Event> {
        trace.flush();
        Events::new(BufReader::new(File::open(&trace.path).unwrap())).collect()
    }

    #[test]
    fn each_action_is_written_once_however_often_it_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (trace, _) = Trace::open(dir.path().join("trace"), 0);
        let hello = Hello::new(Toolchain::default());
        assert_eq!((trace.session(&hello), trace.session(&hello)), (0, 0));
        for _ in 0..3 {
            trace.get(0, &ActionId([1; 32]), GetOutcome::Miss, NOW);
            trace.get(0, &ActionId([2; 32]), GetOutcome::Miss, NOW);
        }
        assert_eq!(events(&trace).len(), 3);
    }

    fn condition(n: u32) -> Condition {
        Condition { scope: scopes::TREE, digest: ScopeDigest(std::array::from_fn(|i| n.to_le_bytes()[i % 4])) }
    }

    #[test]
    fn conditions_have_numbers_that_a_new_daemon_continues() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let action = ActionId([1; 32]);
        let (trace, _) = Trace::open(path.clone(), 0);
        trace.has(&condition(0));
        trace.has(&condition(0));
        trace.rejected(&action, [condition(1), condition(0)].iter());
        trace.share(&action, PutOutcome::Shared, Some(&condition(0)));
        let before = events(&trace);
        let share = Share { action, outcome: PutOutcome::Shared, condition: Some(0) };
        assert_eq!(
            before,
            [
                Event::Condition(condition(0)),
                Event::Has(0),
                Event::Condition(condition(1)),
                Event::Rejected(action, vec![1, 0]),
                Event::Share(share)
            ]
        );
        let (trace, _) = Trace::open(path, 0);
        trace.has(&condition(0));
        trace.has(&condition(2));
        assert_eq!(events(&trace)[before.len()..], [Event::Condition(condition(2)), Event::Has(2)]);
    }

    #[test]
    fn a_trace_continues_after_a_daemon_that_was_killed_while_it_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let other = Hello::new(Toolchain { goroot: "/other".into(), ..Toolchain::default() });
        let (trace, _) = Trace::open(path.clone(), 0);
        trace.session(&Hello::new(Toolchain::default()));
        trace.session(&other);
        trace.get(1, &ActionId([1; 32]), GetOutcome::Miss, NOW);
        let before = events(&trace);
        let whole = std::fs::metadata(&path).unwrap().len();
        File::options().append(true).open(&path).unwrap().write_all(b"G\0\0half").unwrap();
        let (trace, _) = Trace::open(path.clone(), 0);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
        assert_eq!(trace.session(&other), 1);
        trace.get(1, &ActionId([2; 32]), GetOutcome::Miss, NOW);
        assert_eq!(events(&trace)[..3], before);
        assert_eq!(events(&trace).len(), 4);
    }

    #[test]
    fn the_length_of_a_trace_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let (trace, _) = Trace::open(dir.path().join("trace"), 0);
        for n in 0..2 * TRACE_SESSIONS {
            trace.session(&Hello::new(Toolchain { goroot: n.to_string(), ..Toolchain::default() }));
        }
        for n in 0..2 * TRACE_EVENTS as u64 {
            let mut action = ActionId([0; 32]);
            action.0[..6].copy_from_slice(&n.to_be_bytes()[2..]);
            trace.get(0, &action, GetOutcome::Miss, NOW);
        }
        for n in 0..2 * TRACE_CONDITIONS {
            trace.has(&condition(u32::try_from(n).unwrap()));
        }
        assert_eq!(events(&trace).len(), TRACE_SESSIONS + TRACE_EVENTS + 2 * TRACE_CONDITIONS);
    }
}

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use proto::condition::scopes;
use proto::control::Counts;
use proto::wire::{Candidate, Hello, Reply, Request, UnixTime, VERSION, Welcome, read_json_line, write_json_line};
use proto::{ActionId, Condition, Output, OutputId, ScopeDigest, limits};

use crate::fake_go::Action;
use crate::soon;

/// How a scripted daemon behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Behaviour {
    /// As it should.
    Correct,
    /// Accepts connections and sends nothing.
    NoHello,
    /// Sends its hello, then no replies.
    NoReplies,
    /// Sends a newer version in its hello.
    NewerVersion,
    /// Has the version before, and assumes that the client has it too.
    OlderVersion,
    /// Delays its replies to requests about [`DELAYED`].
    DelaysReplies,
    /// Reads bodies in small pieces, with pauses of less than a second.
    ReadsSlowly,
    /// Offers each hit under a condition that does not hold.
    OffersConditionally,
    /// Has nothing but what clients shared, under the conditions that they named: as for another build.
    OffersShares,
    /// Disconnects after this many requests, before it replies.
    Disconnects(usize),
    /// Disconnects its first client at the first request, and is correct to all others.
    DisconnectsFirst,
    /// Cannot store.
    StorageFull,
    /// Has hits for everything, with files that do not exist.
    MissingFiles,
    /// Replies with bytes that are no frame.
    Garbage,
}

/// A daemon on a thread, with the directory of a build.
#[derive(Clone)]
pub(crate) struct Daemon {
    pub(crate) view: PathBuf,
    outputs: Outputs,
    pub(crate) sessions: Arc<AtomicUsize>,
    /// Requests that clients had to answer without the daemon, as they reported.
    pub(crate) unanswered: Arc<AtomicUsize>,
    /// What clients decided about offers.
    pub(crate) decisions: Arc<Mutex<Vec<Request>>>,
    /// Bytes of bodies that were read in small pieces.
    pub(crate) read_slowly: Arc<AtomicUsize>,
    delayed: Delayed,
    /// What clients shared, in this order.
    pub(crate) shares: Arc<Mutex<Vec<Share>>>,
    /// The actions that were put as private.
    private: Arc<Mutex<HashSet<ActionId>>>,
    /// The conditions whose parts were told.
    pub(crate) parts: Arc<Mutex<Vec<Condition>>>,
    /// How clients greeted, in this order.
    pub(crate) hellos: Arc<Mutex<Vec<Hello>>>,
    /// What clients took from the build's table, as they told.
    pub(crate) used: Arc<Mutex<Vec<ActionId>>>,
}

/// An action, and when its output is another build's.
pub(crate) type Share = (ActionId, Option<Condition>);

/// The action whose replies are delayed.
pub(crate) const DELAYED: u8 = 99;

/// Delayed replies, with the connections they are for.
type Delayed = Arc<Mutex<Vec<(UnixStream, Vec<u8>)>>>;

/// The output of each action, and for a test's result its list of inputs.
type Outputs = Arc<Mutex<HashMap<ActionId, (Output, Option<OutputId>)>>>;

impl Daemon {
    pub(crate) fn start(dir: &Path, behaviour: Behaviour) -> Self {
        let view = dir.join("view");
        std::fs::create_dir_all(view.join("o")).unwrap();
        drop(std::fs::remove_file(view.join("sock")));
        let listener = UnixListener::bind(view.join("sock")).unwrap();
        let daemon = Self {
            view,
            outputs: Outputs::default(),
            sessions: Arc::default(),
            unanswered: Arc::default(),
            decisions: Arc::default(),
            read_slowly: Arc::default(),
            delayed: Delayed::default(),
            shares: Arc::default(),
            private: Arc::default(),
            parts: Arc::default(),
            hellos: Arc::default(),
            used: Arc::default(),
        };
        let serving = daemon.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serving.sessions.fetch_add(1, SeqCst);
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(&stream.unwrap(), behaviour));
            }
        });
        daemon
    }

    pub(crate) fn has(&self, action: impl Action) -> bool {
        self.outputs.lock().unwrap().contains_key(&ActionId(action.id()))
    }

    /// Whether an action was put for everyone at once.
    pub(crate) fn has_plain(&self, action: impl Action) -> bool {
        let action = ActionId(action.id());
        self.has(action.0) && !self.private.lock().unwrap().contains(&action)
    }

    /// The list that was put with a test's result.
    pub(crate) fn list(&self, action: impl Action) -> OutputId {
        self.outputs.lock().unwrap()[&ActionId(action.id())].1.unwrap()
    }

    pub(crate) fn socket(&self) -> String {
        self.view.join("sock").to_str().unwrap().to_owned()
    }
}

impl Daemon {
    /// Sends the delayed replies; how many there were.
    pub(crate) fn release(&self) -> usize {
        let delayed = std::mem::take(&mut *self.delayed.lock().unwrap());
        delayed.iter().for_each(|(stream, frame)| (&*stream).write_all(frame).unwrap());
        delayed.len()
    }

    fn serve(&self, mut stream: &UnixStream, behaviour: Behaviour) {
        if behaviour == Behaviour::NoHello {
            std::thread::sleep(Duration::from_secs(60));
        }
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let Ok(hello) = read_json_line::<Hello>(&mut input, limits::HELLO_LINE) else { return };
        let is_first = self.note(hello);
        let version = match behaviour {
            Behaviour::NewerVersion => VERSION + 1,
            Behaviour::OlderVersion => VERSION - 1,
            _ => VERSION,
        };
        let error = (behaviour == Behaviour::NewerVersion).then(|| "too old".to_owned());
        let outputs = self.view.join("o").to_str().unwrap().to_owned();
        write_json_line(stream, &Welcome { version, outputs, error }).unwrap();
        for served in 1.. {
            let Ok(Some((id, request))) = Request::read(&mut input) else { return };
            match behaviour {
                Behaviour::NoReplies => continue,
                Behaviour::DisconnectsFirst if is_first => return,
                Behaviour::Disconnects(after) if served > after => {
                    stream.shutdown(std::net::Shutdown::Both).unwrap();
                    return;
                }
                Behaviour::Garbage => {
                    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
                    continue;
                }
                _ => {}
            }
            let Some(request) = self.keep_notice(request) else { continue };
            let is_delayed = behaviour == Behaviour::DelaysReplies && is_about(&request, DELAYED);
            let Some(reply) = self.reply(behaviour, request, &mut input) else { continue };
            let mut frame = Vec::new();
            reply.write(id, &mut frame);
            if is_delayed {
                self.delayed.lock().unwrap().push((stream.try_clone().unwrap(), frame));
            } else if stream.write_all(&frame).is_err() {
                return;
            }
        }
    }

    /// Whether it is the first client's.
    fn note(&self, hello: Hello) -> bool {
        let mut hellos = self.hellos.lock().unwrap();
        hellos.push(hello);
        hellos.len() == 1
    }

    /// Keeps a notice; anything else comes back.
    fn keep_notice(&self, request: Request) -> Option<Request> {
        match request {
            Request::Share { action, condition, .. } => self.shares.lock().unwrap().push((action, condition)),
            Request::Parts { condition, .. } => self.parts.lock().unwrap().push(condition),
            Request::WithoutDaemon { unanswered, .. } => {
                self.unanswered.fetch_add(usize::try_from(unanswered).unwrap(), SeqCst);
            }
            decision @ (Request::Accepted(_) | Request::Rejected) => self.decisions.lock().unwrap().push(decision),
            Request::Used(actions) => self.used.lock().unwrap().extend(actions),
            other => return Some(other),
        }
        None
    }

    fn reply(&self, behaviour: Behaviour, request: Request, input: &mut impl Read) -> Option<Reply> {
        let time = (UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into();
        Some(match (behaviour, request) {
            (Behaviour::MissingFiles, Request::Get { .. }) => {
                Reply::Hit { output: Output { id: OutputId::EMPTY, size: 10 }, time: UNIX_EPOCH.into() }
            }
            (Behaviour::OffersConditionally, Request::Get { .. }) => {
                std::fs::write(self.view.join("o").join(OutputId::EMPTY.to_string()), b"").unwrap();
                let output = Output { id: OutputId::EMPTY, size: 0 };
                let condition = Condition { scope: scopes::STD, digest: ScopeDigest([7; 32]) };
                Reply::Conditional { candidates: vec![Candidate { condition, output, time }] }
            }
            (Behaviour::OffersShares, Request::Get { action }) => self.offer(&action, time),
            (_, Request::Summary | Request::Why) => Reply::Summary(Counts::default()),
            (_, Request::PutTest { action, output, inputs }) => {
                let list = receive_test(input, &self.view, (inputs, output))?;
                self.outputs.lock().unwrap().insert(action, (output, Some(list)));
                Reply::Stored { time }
            }
            (_, Request::Get { action }) => match self.outputs.lock().unwrap().get(&action) {
                Some(&(output, None)) => Reply::Hit { output, time },
                Some(&(output, Some(inputs))) => Reply::HitIf { inputs, output, time },
                None => Reply::Miss,
            },
            (_, Request::PutPrivate { action, output }) => {
                self.private.lock().unwrap().insert(action);
                return self.reply(behaviour, Request::Put { action, output }, input);
            }
            (_, Request::Put { action, output }) => {
                let mut body = vec![0; usize::try_from(output.size).unwrap()];
                if behaviour == Behaviour::ReadsSlowly {
                    self.read_slowly_from(&mut body, input)?;
                } else {
                    input.read_exact(&mut body).ok()?;
                }
                if behaviour == Behaviour::StorageFull {
                    return Some(Reply::Refused(proto::wire::Refusal::Storage));
                }
                std::fs::write(self.view.join("o").join(output.id.to_string()), body).unwrap();
                self.outputs.lock().unwrap().insert(action, (output, None));
                Reply::Stored { time }
            }
            (_, notice) => unreachable!("{notice:?} has no reply"),
        })
    }
}

impl Daemon {
    /// What another build is offered.
    fn offer(&self, action: &ActionId, time: UnixTime) -> Reply {
        let Some((output, None)) = self.outputs.lock().unwrap().get(action).copied() else { return Reply::Miss };
        let conditions: Vec<_> = self
            .shares
            .lock()
            .unwrap()
            .iter()
            .filter(|share| share.0 == *action)
            .map(|share| share.1.clone())
            .collect();
        if conditions.contains(&None) || self.has_plain(action.0) {
            return Reply::Hit { output, time };
        }
        let candidates = conditions.into_iter().flatten().map(|condition| Candidate { condition, output, time });
        let candidates: Vec<_> = candidates.collect();
        if candidates.is_empty() { Reply::Miss } else { Reply::Conditional { candidates } }
    }

    fn read_slowly_from(&self, body: &mut [u8], input: &mut impl Read) -> Option<()> {
        for piece in body.chunks_mut(64 << 10) {
            std::thread::sleep(Duration::from_millis(250));
            input.read_exact(piece).ok()?;
            self.read_slowly.fetch_add(piece.len(), SeqCst);
        }
        Some(())
    }
}

fn is_about(request: &Request, n: u8) -> bool {
    matches!(request, Request::Get { action } | Request::PutPrivate { action, .. } if action.0 == [n; 32])
}

/// Receives a test's list and its result; the list's id.
fn receive_test(input: &mut impl Read, view: &Path, (inputs, output): (u64, Output)) -> Option<OutputId> {
    let mut list = vec![0; usize::try_from(inputs).unwrap()];
    let mut result = vec![0; usize::try_from(output.size).unwrap()];
    input.read_exact(&mut list).and_then(|()| input.read_exact(&mut result)).ok()?;
    let id = crate::output(&list);
    std::fs::write(view.join("o").join(id.to_string()), list).unwrap();
    std::fs::write(view.join("o").join(output.id.to_string()), result).unwrap();
    Some(id)
}

/// What clients decided, after this many decisions.
pub(crate) fn decisions(daemon: &Daemon, count: usize) -> Vec<Request> {
    let came = soon(|| daemon.decisions.lock().unwrap().len() >= count);
    let decisions = daemon.decisions.lock().unwrap().clone();
    assert!(came, "the daemon got {decisions:?}");
    decisions
}

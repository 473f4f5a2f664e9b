use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use proto::control::Counts;
use proto::wire::{Candidate, Hello, Reply, Request, VERSION, Welcome, read_json_line, write_json_line};
use proto::{ActionId, OutputId, Scope, ScopeDigest, limits};

use crate::fake_go::Action;

/// How a scripted daemon behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// As it should.
    Good,
    /// Accepts and says nothing.
    Mute,
    /// Says hello, then answers nothing.
    Deaf,
    /// Speaks another version, and says so.
    Newer,
    /// Speaks the last version, and takes whoever comes for one who does.
    Older,
    /// Holds its answers to everything about [`HELD`] back.
    Holds,
    /// Takes bodies in by small pieces with pauses between them, which are never as long as a second.
    Trickles,
    /// Offers everything under a condition.
    Offers,
    /// Hangs up after this many requests, before it answers.
    Quits(usize),
    /// Says that it cannot store.
    Full,
    /// Hits on everything with files that are not there.
    Lies,
    /// Answers with no frame at all.
    Garbage,
}

/// A daemon in a thread, with a directory as a build has one.
#[derive(Clone)]
pub(crate) struct Daemon {
    pub(crate) view: PathBuf,
    outputs: Outputs,
    pub(crate) sessions: Arc<AtomicUsize>,
    /// Requests of which clients said that they were left alone with them.
    pub(crate) alone: Arc<AtomicUsize>,
    /// What clients said to offers.
    pub(crate) decided: Arc<Mutex<Vec<Request>>>,
    /// Bytes of bodies that were taken in by pieces.
    pub(crate) trickled: Arc<AtomicUsize>,
    held: Held,
}

/// The action whose answers are held back.
pub(crate) const HELD: u8 = 99;

/// Answers that are held back, and whose they are.
type Held = Arc<Mutex<Vec<(UnixStream, Vec<u8>)>>>;

/// What an action led to, and for a test's result the list it holds for.
type Outputs = Arc<Mutex<HashMap<ActionId, (OutputId, u64, Option<OutputId>)>>>;

impl Daemon {
    pub(crate) fn start(dir: &Path, manner: Manner) -> Self {
        let view = dir.join("view");
        std::fs::create_dir_all(view.join("o")).unwrap();
        drop(std::fs::remove_file(view.join("sock")));
        let listener = UnixListener::bind(view.join("sock")).unwrap();
        let daemon = Self {
            view,
            outputs: Outputs::default(),
            sessions: Arc::default(),
            alone: Arc::default(),
            decided: Arc::default(),
            trickled: Arc::default(),
            held: Held::default(),
        };
        let serving = daemon.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serving.sessions.fetch_add(1, SeqCst);
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(&stream.unwrap(), manner));
            }
        });
        daemon
    }

    pub(crate) fn has(&self, action: impl Action) -> bool {
        self.outputs.lock().unwrap().contains_key(&ActionId(action.id()))
    }

    /// The list that came with a test's result.
    pub(crate) fn list(&self, action: impl Action) -> OutputId {
        self.outputs.lock().unwrap()[&ActionId(action.id())].2.unwrap()
    }

    pub(crate) fn socket(&self) -> String {
        self.view.join("sock").to_str().unwrap().to_owned()
    }
}

impl Daemon {
    /// Sends the answers that were held back; how many there were.
    pub(crate) fn release(&self) -> usize {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        held.iter().for_each(|(stream, frame)| (&*stream).write_all(frame).unwrap());
        held.len()
    }

    fn serve(&self, mut stream: &UnixStream, manner: Manner) {
        if manner == Manner::Mute {
            std::thread::sleep(Duration::from_secs(60));
        }
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let Ok(_) = read_json_line::<Hello>(&mut input, limits::HELLO_LINE) else { return };
        let version = match manner {
            Manner::Newer => VERSION + 1,
            Manner::Older => VERSION - 1,
            _ => VERSION,
        };
        let error = (manner == Manner::Newer).then(|| "too old".to_owned());
        let outputs = self.view.join("o").to_str().unwrap().to_owned();
        write_json_line(stream, &Welcome { version, outputs, error }).unwrap();
        for served in 1.. {
            let Ok(Some((id, request))) = Request::read(&mut input) else { return };
            match manner {
                Manner::Deaf => continue,
                Manner::Quits(after) if served > after => {
                    stream.shutdown(std::net::Shutdown::Both).unwrap();
                    return;
                }
                Manner::Garbage => {
                    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
                    continue;
                }
                _ => {}
            }
            let holds = manner == Manner::Holds && is_about(&request, HELD);
            let Some(reply) = self.reply(manner, request, &mut input) else { continue };
            let mut frame = Vec::new();
            reply.write(id, &mut frame);
            if holds {
                self.held.lock().unwrap().push((stream.try_clone().unwrap(), frame));
            } else if stream.write_all(&frame).is_err() {
                return;
            }
        }
    }

    fn reply(&self, manner: Manner, request: Request, input: &mut impl Read) -> Option<Reply> {
        let time = (UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into();
        Some(match (manner, request) {
            (Manner::Lies, Request::Get { .. }) => {
                Reply::Hit { output: OutputId::EMPTY, size: 10, time: UNIX_EPOCH.into() }
            }
            (Manner::Offers, Request::Get { .. }) => {
                std::fs::write(self.view.join("o").join(OutputId::EMPTY.to_string()), b"").unwrap();
                let candidate = Candidate { digest: ScopeDigest([7; 32]), output: OutputId::EMPTY, size: 0, time };
                Reply::Conditional { scope: Scope::new("std").unwrap(), candidates: vec![candidate] }
            }
            (_, Request::Alone { unanswered, .. }) => {
                self.alone.fetch_add(usize::try_from(unanswered).unwrap(), SeqCst);
                return None;
            }
            (_, decision @ (Request::Accepted(_) | Request::Rejected)) => {
                self.decided.lock().unwrap().push(decision);
                return None;
            }
            (_, Request::Used(_)) => return None,
            (_, Request::Summary | Request::Why) => Reply::Summary(Counts::default()),
            (_, Request::PutTest { action, output, size, inputs }) => {
                let list = take_test(input, &self.view, (inputs, output, size))?;
                self.outputs.lock().unwrap().insert(action, (output, size, Some(list)));
                Reply::Stored { time }
            }
            (_, Request::Get { action }) => match self.outputs.lock().unwrap().get(&action) {
                Some(&(output, size, None)) => Reply::Hit { output, size, time },
                Some(&(output, size, Some(inputs))) => Reply::HitIf { inputs, output, size, time },
                None => Reply::Miss,
            },
            (_, Request::Put { action, output, size } | Request::PutIf { action, output, size, .. }) => {
                let mut body = vec![0; usize::try_from(size).unwrap()];
                if manner == Manner::Trickles {
                    self.trickle(&mut body, input)?;
                } else {
                    input.read_exact(&mut body).ok()?;
                }
                if manner == Manner::Full {
                    return Some(Reply::Refused(proto::wire::Refusal::Storage));
                }
                std::fs::write(self.view.join("o").join(output.to_string()), body).unwrap();
                self.outputs.lock().unwrap().insert(action, (output, size, None));
                Reply::Stored { time }
            }
        })
    }
}

impl Daemon {
    fn trickle(&self, body: &mut [u8], input: &mut impl Read) -> Option<()> {
        for piece in body.chunks_mut(64 << 10) {
            std::thread::sleep(Duration::from_millis(250));
            input.read_exact(piece).ok()?;
            self.trickled.fetch_add(piece.len(), SeqCst);
        }
        Some(())
    }
}

fn is_about(request: &Request, n: u8) -> bool {
    matches!(request, Request::Get { action } | Request::Put { action, .. } if action.0 == [n; 32])
}

/// Takes in a test's list and its result; the list's id.
fn take_test(input: &mut impl Read, view: &Path, (inputs, output, size): (u64, OutputId, u64)) -> Option<OutputId> {
    let mut list = vec![0; usize::try_from(inputs).unwrap()];
    let mut result = vec![0; usize::try_from(size).unwrap()];
    input.read_exact(&mut list).and_then(|()| input.read_exact(&mut result)).ok()?;
    let id = crate::output(&list);
    std::fs::write(view.join("o").join(id.to_string()), list).unwrap();
    std::fs::write(view.join("o").join(output.to_string()), result).unwrap();
    Some(id)
}

/// What clients decided, once it is so much.
pub(crate) fn decisions(daemon: &Daemon, most: usize) -> Vec<Request> {
    for _ in 0..500 {
        let decided = daemon.decided.lock().unwrap().clone();
        if decided.len() >= most {
            return decided;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the daemon was told {:?}", daemon.decided.lock().unwrap());
}

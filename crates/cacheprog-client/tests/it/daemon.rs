use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use proto::wire::{Hello, Reply, Request, VERSION, Welcome, read_json_line, write_json_line};
use proto::{ActionId, OutputId, limits};

use crate::go::Action;

/// How a scripted daemon behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// As it should.
    Good,
    /// Accepts and says nothing.
    Mute,
    /// Says hello, then answers nothing.
    Deaf,
    /// Speaks another version.
    Newer,
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
pub(crate) struct Daemon {
    pub(crate) view: PathBuf,
    outputs: Outputs,
    pub(crate) sessions: Arc<AtomicUsize>,
    /// Requests of which clients said that they were left alone with them.
    pub(crate) alone: Arc<AtomicUsize>,
}

/// What an action led to, and for a test's result the list it holds for.
type Outputs = Arc<Mutex<HashMap<ActionId, (OutputId, u64, Option<OutputId>)>>>;

impl Daemon {
    pub(crate) fn start(dir: &Path, manner: Manner) -> Self {
        let view = dir.join("view");
        std::fs::create_dir_all(view.join("o")).unwrap();
        drop(std::fs::remove_file(view.join("sock")));
        let listener = UnixListener::bind(view.join("sock")).unwrap();
        let (outputs, sessions, alone) =
            (Outputs::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let daemon =
            Self { view: view.clone(), outputs: outputs.clone(), sessions: sessions.clone(), alone: alone.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (view, outputs, alone) = (view.clone(), outputs.clone(), alone.clone());
                sessions.fetch_add(1, SeqCst);
                std::thread::spawn(move || serve(&stream.unwrap(), manner, &view, &outputs, &alone));
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

fn serve(mut stream: &UnixStream, manner: Manner, view: &Path, outputs: &Outputs, alone: &AtomicUsize) {
    if manner == Manner::Mute {
        std::thread::sleep(Duration::from_secs(60));
    }
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let Ok(_) = read_json_line::<Hello>(&mut input, limits::HELLO_LINE) else { return };
    let version = if manner == Manner::Newer { VERSION + 1 } else { VERSION };
    let error = (manner == Manner::Newer).then(|| "too old".to_owned());
    let outputs_dir = view.join("o").to_str().unwrap().to_owned();
    write_json_line(stream, &Welcome { version, outputs: outputs_dir, error }).unwrap();
    let time = (UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into();
    for served in 1.. {
        let Ok(Some(request)) = Request::read(&mut input) else { return };
        let reply = match (manner, request) {
            (Manner::Deaf, _) => continue,
            (Manner::Quits(after), _) if served > after => {
                stream.shutdown(std::net::Shutdown::Both).unwrap();
                return;
            }
            (Manner::Garbage, _) => {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
                continue;
            }
            (Manner::Lies, Request::Get { .. }) => {
                Reply::Hit { output: OutputId::EMPTY, size: 10, time: UNIX_EPOCH.into() }
            }
            (_, Request::Alone { unanswered, .. }) => {
                alone.fetch_add(usize::try_from(unanswered).unwrap(), SeqCst);
                continue;
            }
            (_, Request::Summary | Request::Why) => Reply::Miss,
            (_, Request::PutTest { action, output, size, inputs }) => {
                let Some(list) = take_test(&mut input, view, (inputs, output, size)) else { return };
                outputs.lock().unwrap().insert(action, (output, size, Some(list)));
                Reply::Stored { time }
            }
            (_, Request::Get { action }) => match outputs.lock().unwrap().get(&action) {
                Some(&(output, size, None)) => Reply::Hit { output, size, time },
                Some(&(output, size, Some(inputs))) => Reply::HitIf { inputs, output, size, time },
                None => Reply::Miss,
            },
            (_, Request::Put { action, output, size }) => {
                let mut body = vec![0; usize::try_from(size).unwrap()];
                if input.read_exact(&mut body).is_err() {
                    return;
                }
                if manner == Manner::Full {
                    Reply::Refused(proto::wire::Refusal::Storage)
                } else {
                    std::fs::write(view.join("o").join(output.to_string()), body).unwrap();
                    outputs.lock().unwrap().insert(action, (output, size, None));
                    Reply::Stored { time }
                }
            }
        };
        let mut frame = Vec::new();
        reply.write(&mut frame);
        if stream.write_all(&frame).is_err() {
            return;
        }
    }
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

//! A server that does what a test prepares, and records the requests that it gets.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request. Names of headers are in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// How many requests came before.
    pub(crate) earlier: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the server does with a request.
pub(crate) enum Behavior {
    /// Sends a status, lines of headers, and a body with its length.
    Send(u16, String, Vec<u8>),
    /// Announces the whole body, sends so many bytes, and closes the connection.
    CutAt(usize, Vec<u8>),
    /// As `CutAt`, with a reset.
    ResetAt(usize, Vec<u8>),
    /// Sends so many bytes of the body every 100 ms.
    Drip(usize, Vec<u8>),
    /// Sends nothing for a long time.
    Hang,
    /// Closes the connection.
    Close,
    /// Sends these bytes as they are, and closes the connection.
    Raw(Vec<u8>),
}

/// A status with a body of text.
pub(crate) fn status(status: u16, body: &str) -> Behavior {
    Behavior::Send(status, String::new(), body.as_bytes().to_vec())
}

/// An error of S3.
pub(crate) fn s3_error(status: u16, code: &str) -> Behavior {
    self::status(status, &format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>"))
}

pub(crate) fn ok(body: &[u8]) -> Behavior {
    Behavior::Send(200, String::new(), body.to_vec())
}

pub(crate) fn redirect(status: u16, location: &str) -> Behavior {
    Behavior::Send(status, format!("Location: {location}\r\n"), Vec::new())
}

/// A running server; it ends with the test's process.
pub(crate) struct FakeEngine {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What a server looks at before it reads a body: `Some` is its answer, and the connection is closed.
type Early = fn(&Request) -> Option<Behavior>;

impl FakeEngine {
    pub(crate) fn start(behavior: impl Fn(&Request) -> Behavior + Send + Sync + 'static) -> Self {
        Self::start_with(|_| None, behavior)
    }

    pub(crate) fn start_with(early: Early, behavior: impl Fn(&Request) -> Behavior + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, behavior) = (Arc::new(Mutex::new(Vec::new())), Arc::new(behavior));
        let recorded = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (recorded, behavior) = (Arc::clone(&recorded), Arc::clone(&behavior));
                std::thread::spawn(move || serve(&stream.unwrap(), early, &*behavior, &recorded));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: &TcpStream,
    early: Early,
    behavior: &dyn Fn(&Request) -> Behavior,
    recorded: &Mutex<Vec<Request>>,
) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    while let Some(mut request) = head(&mut input) {
        if let Some(answer) = early(&request) {
            record(&mut request, recorded);
            answer_with(stream, answer);
            return; // with bytes that were not read: the connection is reset
        }
        if request.header("expect") == "100-continue" {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        }
        let length = request.header("content-length").parse().unwrap_or(0);
        if input.by_ref().take(length).read_to_end(&mut request.body).is_err() {
            return;
        }
        record(&mut request, recorded);
        if answer_with(stream, behavior(&request)).is_none() {
            return;
        }
    }
}

fn record(request: &mut Request, recorded: &Mutex<Vec<Request>>) {
    let mut recorded = recorded.lock().unwrap();
    request.earlier = recorded.len();
    recorded.push(request.clone());
}

fn head(input: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers, body: Vec::new(), earlier: 0 })
}

/// Answers; `None` if the connection is to be closed.
fn answer_with(mut stream: &TcpStream, behavior: Behavior) -> Option<()> {
    let begin = |status: u16, headers: &str, length: usize| {
        format!("HTTP/1.1 {status} x\r\n{headers}Content-Length: {length}\r\n\r\n").into_bytes()
    };
    match behavior {
        Behavior::Send(status, headers, body) => {
            let length = if status == 204 { 0 } else { body.len() };
            stream.write_all(&[begin(status, &headers, length), body].concat()).ok()
        }
        Behavior::CutAt(at, body) => {
            stream.write_all(&[&begin(200, "", body.len()), &body[..at]].concat()).ok()?;
            None
        }
        Behavior::ResetAt(at, body) => {
            stream.write_all(&[&begin(200, "", body.len()), &body[..at]].concat()).ok()?;
            std::thread::sleep(Duration::from_millis(50));
            rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).ok()?;
            None
        }
        Behavior::Drip(at_once, body) => {
            stream.write_all(&begin(200, "", body.len())).ok()?;
            for part in body.chunks(at_once) {
                stream.write_all(part).ok()?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Some(())
        }
        Behavior::Hang => {
            std::thread::sleep(Duration::from_secs(60));
            None
        }
        Behavior::Close => None,
        Behavior::Raw(bytes) => {
            stream.write_all(&bytes).ok()?;
            None
        }
    }
}

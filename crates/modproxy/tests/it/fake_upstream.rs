//! An upstream that does what a test prepares, and records the requests that it gets.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request to an upstream.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    /// How many requests for this path came before.
    pub(crate) earlier: usize,
}

/// What the upstream does with a request.
pub(crate) enum Behavior {
    /// Sends a body with its length.
    Send(Vec<u8>),
    /// Sends a body in chunks.
    SendChunked(Vec<u8>),
    /// Sends a body that ends with the connection.
    SendUntilClose(Vec<u8>),
    /// Sends a body by HTTP/1.0, that ends with the connection.
    SendHttp10(Vec<u8>),
    /// Sends a body with this status and these headers, and its length.
    SendWith(u16, &'static str, Vec<u8>),
    /// Sends this status without a body.
    Status(u16),
    /// Announces the whole body, sends so many bytes, and closes the connection.
    CutAt(usize, Vec<u8>),
    /// As `CutAt`, with an `ETag`.
    CutWithEtag(usize, Vec<u8>),
    /// Sends so many bytes, waits for the test, then sends the rest.
    PauseAt(usize, Vec<u8>, Arc<Mutex<std::sync::mpsc::Receiver<()>>>),
    /// Sends these bytes as they are.
    Raw(Vec<u8>),
    /// Sends these bytes as they are, and closes the connection.
    RawThenClose(Vec<u8>),
    /// Sends the first bytes as they are, then the others again and again.
    RawWithoutEnd(Vec<u8>, Vec<u8>),
    /// Sends a body with its length, one byte in each such time.
    Trickle(Vec<u8>, Duration),
    /// Sends nothing for long.
    Sleep,
    Close,
}

/// An upstream; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    logins: Arc<Mutex<Vec<Option<String>>>>,
}

impl Upstream {
    pub(crate) fn start(handler: impl Fn(&Request) -> Behavior + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream =
            Self { address: listener.local_addr().unwrap(), requests: Arc::default(), logins: Arc::default() };
        let (serving, handler) = (upstream.clone(), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (serving, handler) = (serving.clone(), handler.clone());
                std::thread::spawn(move || serving.serve_connection(&stream.unwrap(), &*handler));
            }
        });
        upstream
    }

    /// An upstream with these files and no others.
    pub(crate) fn with_files(files: &[(&str, Vec<u8>)]) -> Self {
        let files: HashMap<String, Vec<u8>> =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.clone())).collect();
        Self::start(move |request| {
            files.get(&request.path).map_or(Behavior::Status(404), |bytes| Behavior::Send(bytes.clone()))
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn logins(&self) -> Vec<Option<String>> {
        self.logins.lock().unwrap().clone()
    }

    fn serve_connection(&self, stream: &TcpStream, handler: &dyn Fn(&Request) -> Behavior) {
        let mut input = BufReader::new(stream);
        while let Some(request) = self.next_request(&mut input) {
            if respond(stream, handler(&request)).is_none() {
                return;
            }
        }
    }

    fn next_request(&self, input: &mut impl BufRead) -> Option<Request> {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|&n| n > 0)?;
        let path = line.split(' ').nth(1)?.trim_start_matches('/').replace("%21", "!");
        let mut headers = HashMap::new();
        loop {
            line.clear();
            input.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut requests = self.requests.lock().unwrap();
        let earlier = requests.iter().filter(|other| **other == path).count();
        requests.push(path.clone());
        self.logins.lock().unwrap().push(headers.get("authorization").cloned());
        Some(Request { path, headers, earlier })
    }
}

/// `None`: the connection is to be closed.
fn respond(mut stream: &TcpStream, action: Behavior) -> Option<()> {
    let head = |status: u16, headers: &str| format!("HTTP/1.1 {status} Status\r\n{headers}\r\n");
    let mut send = |parts: &[&[u8]]| stream.write_all(&parts.concat()).ok();
    let length = |body: &[u8]| format!("Content-Length: {}\r\n", body.len());
    match action {
        Behavior::Send(body) => send(&[head(200, &length(&body)).as_bytes(), &body]),
        Behavior::SendChunked(body) => {
            send(&[head(200, "Transfer-Encoding: chunked\r\n").as_bytes()])?;
            for chunk in body.chunks(7000) {
                send(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"])?;
            }
            send(&[b"0\r\n\r\n"])
        }
        Behavior::SendUntilClose(body) => {
            send(&[head(200, "Connection: close\r\n").as_bytes(), &body])?;
            None
        }
        Behavior::SendHttp10(body) => {
            send(&[b"HTTP/1.0 200 OK\r\n\r\n", &body])?;
            None
        }
        Behavior::SendWith(status, headers, body) => {
            send(&[head(status, &(length(&body) + headers)).as_bytes(), &body])
        }
        Behavior::Status(status) => send(&[head(status, "Content-Length: 0\r\n").as_bytes()]),
        Behavior::CutAt(at, body) => {
            send(&[head(200, &length(&body)).as_bytes(), &body[..at]])?;
            None
        }
        Behavior::CutWithEtag(at, body) => {
            send(&[head(200, &(length(&body) + "ETag: \"x\"\r\n")).as_bytes(), &body[..at]])?;
            None
        }
        Behavior::PauseAt(at, body, until) => {
            send(&[head(200, &length(&body)).as_bytes(), &body[..at]])?;
            until.lock().unwrap().recv().ok()?;
            send(&[&body[at..]])
        }
        Behavior::Raw(bytes) => send(&[&bytes]),
        Behavior::RawThenClose(bytes) => send(&[&bytes]).and(None),
        Behavior::RawWithoutEnd(begin, again) => {
            send(&[&begin])?;
            while send(&[&again]).is_some() {}
            None
        }
        Behavior::Trickle(body, pause) => {
            send(&[head(200, &length(&body)).as_bytes()])?;
            body.iter().all(|byte| {
                std::thread::sleep(pause);
                send(&[&[*byte]]).is_some()
            });
            None
        }
        Behavior::Sleep => {
            std::thread::sleep(Duration::from_secs(30));
            None
        }
        Behavior::Close => None,
    }
}

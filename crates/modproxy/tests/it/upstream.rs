use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What an upstream is asked.
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    /// How often this path was asked for before.
    pub(crate) before: usize,
}

/// What it does.
pub(crate) enum Does {
    /// Answers well.
    Gives(Vec<u8>),
    /// ... without saying how long it is.
    GivesChunks(Vec<u8>),
    /// ... with the connection's end as that of the body.
    GivesOpen(Vec<u8>),
    /// ... as HTTP/1.0 has it, by which the end of the connection is that of the body.
    GivesOld(Vec<u8>),
    /// ... with these headers beside the length.
    With(u16, &'static str, Vec<u8>),
    Status(u16),
    /// Says that it gives all, and gives so many bytes, then resets the connection.
    CutsAt(usize, Vec<u8>),
    /// As `CutsAt`, with a name for the content.
    CutsNamed(usize, Vec<u8>),
    /// ... and waits for the test, then gives the rest.
    WaitsAt(usize, Vec<u8>, Arc<Mutex<std::sync::mpsc::Receiver<()>>>),
    /// Says nothing.
    Sleeps,
    HangsUp,
}

/// An upstream; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    logins: Arc<Mutex<Vec<Option<String>>>>,
}

impl Upstream {
    pub(crate) fn start(does: impl Fn(&Ask) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Self { address: listener.local_addr().unwrap(), asked: Arc::default(), logins: Arc::default() };
        let (serving, does) = (upstream.clone(), Arc::new(does));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (serving, does) = (serving.clone(), does.clone());
                std::thread::spawn(move || serving.converse(&stream.unwrap(), &*does));
            }
        });
        upstream
    }

    /// One that gives these files, and has no others.
    pub(crate) fn with(files: &[(&str, Vec<u8>)]) -> Self {
        let files: HashMap<String, Vec<u8>> =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.clone())).collect();
        Self::start(move |ask| files.get(&ask.path).map_or(Does::Status(404), |bytes| Does::Gives(bytes.clone())))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn logins(&self) -> Vec<Option<String>> {
        self.logins.lock().unwrap().clone()
    }

    fn converse(&self, stream: &TcpStream, does: &dyn Fn(&Ask) -> Does) {
        let mut input = BufReader::new(stream);
        while let Some(ask) = self.next(&mut input) {
            if give(stream, does(&ask)).is_none() {
                return;
            }
        }
    }

    fn next(&self, input: &mut impl BufRead) -> Option<Ask> {
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
        let mut asked = self.asked.lock().unwrap();
        let before = asked.iter().filter(|other| **other == path).count();
        asked.push(path.clone());
        self.logins.lock().unwrap().push(headers.get("authorization").cloned());
        Some(Ask { path, headers, before })
    }
}

/// `None`: the connection is over.
fn give(mut stream: &TcpStream, does: Does) -> Option<()> {
    let head = |status: u16, more: &str| format!("HTTP/1.1 {status} Said\r\n{more}\r\n");
    let mut send = |parts: &[&[u8]]| stream.write_all(&parts.concat()).ok();
    let length = |body: &[u8]| format!("Content-Length: {}\r\n", body.len());
    match does {
        Does::Gives(body) => send(&[head(200, &length(&body)).as_bytes(), &body]),
        Does::GivesChunks(body) => {
            send(&[head(200, "Transfer-Encoding: chunked\r\n").as_bytes()])?;
            for piece in body.chunks(7000) {
                send(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"])?;
            }
            send(&[b"0\r\n\r\n"])
        }
        Does::GivesOpen(body) => {
            send(&[head(200, "Connection: close\r\n").as_bytes(), &body])?;
            None
        }
        Does::GivesOld(body) => {
            send(&[b"HTTP/1.0 200 OK\r\n\r\n", &body])?;
            None
        }
        Does::With(status, headers, body) => send(&[head(status, &(length(&body) + headers)).as_bytes(), &body]),
        Does::Status(status) => send(&[head(status, "Content-Length: 0\r\n").as_bytes()]),
        Does::CutsAt(at, body) => {
            send(&[head(200, &length(&body)).as_bytes(), &body[..at]])?;
            None
        }
        Does::CutsNamed(at, body) => {
            send(&[head(200, &(length(&body) + "ETag: \"x\"\r\n")).as_bytes(), &body[..at]])?;
            None
        }
        Does::WaitsAt(at, body, until) => {
            send(&[head(200, &length(&body)).as_bytes(), &body[..at]])?;
            until.lock().unwrap().recv().ok()?;
            send(&[&body[at..]])
        }
        Does::Sleeps => {
            std::thread::sleep(std::time::Duration::from_secs(30));
            None
        }
        Does::HangsUp => None,
    }
}

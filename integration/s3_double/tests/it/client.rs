use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use s3_double::hash::{hex, hmac, sha256_hex};
use s3_double::{Double, Settings};

/// What came over the connection until it ended, or until the body had its length.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// How it ended.
    pub(crate) end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    Closed,
    Reset,
    Silent,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and the code of S3's error.
    pub(crate) fn error(&self) -> (u16, String) {
        let text = self.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        (self.status, code.map_or_else(String::new, |(code, _)| code.to_owned()))
    }
}

/// Signs as key `k` with secret `s`.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) key: &'static str,
    pub(crate) region: &'static str,
    pub(crate) host: String,
    /// Signed as well.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// A server with the bucket `b`, whose key `k` may do everything.
pub(crate) fn double(change: impl FnOnce(&mut Settings)) -> (Double, Client) {
    let mut settings = Settings { keys: vec!["k:s:all".parse().unwrap()], ..Settings::new("b", "here") };
    change(&mut settings);
    let double = Double::start(settings).unwrap();
    let client = Client::new(double.address());
    (double, client)
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, key: "k", region: "here", host: address.to_string(), headers: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn get(&self, target: &str) -> Seen {
        self.ask("GET", target, b"")
    }

    pub(crate) fn put(&self, target: &str, body: &[u8]) -> Seen {
        self.ask("PUT", target, body)
    }

    /// Sends one signed request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, target: &str, body: &[u8]) -> Seen {
        send(self.address, &self.signed(method, target, body))
    }

    /// The bytes of a signed request. The target is in the form in which it is signed.
    pub(crate) fn signed(&self, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(['-', ':'], "");
        let hash = sha256_hex(body);
        let mut headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.clone())).collect();
        headers.extend([("host", self.host.clone()), ("x-amz-date", now.clone())]);
        if !headers.iter().any(|header| header.0 == "x-amz-content-sha256") {
            headers.push(("x-amz-content-sha256", hash));
        }
        headers.sort_unstable();
        let hash = &headers.iter().find(|header| header.0 == "x-amz-content-sha256").unwrap().1;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let names: Vec<_> = headers.iter().map(|header| header.0).collect();
        let signed = names.join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{signed}\n{hash}");
        let scope = format!("{}/{}/s3/aws4_request", &now[..8], self.region);
        let text = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        let parts = [&now[..8], self.region, "s3", "aws4_request", &text];
        let signature = parts.iter().fold(b"AWS4s".to_vec(), |key, part| hmac(&key, part.as_bytes()).to_vec());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
            self.key,
            hex(&signature)
        );
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{method} {target} HTTP/1.1\r\n{lines}Authorization: {authorization}\r\n{length}\r\n");
        [head.as_bytes(), body].concat()
    }
}

/// Sends the bytes on a connection of their own, and reads the answer.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Seen {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    // A reset is reported once: to the write, if that is still going on.
    let is_reset = stream.write_all(bytes).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
    let seen = read(&mut stream);
    if is_reset { Seen { end: End::Reset, ..seen } } else { seen }
}

/// Sends the bytes, and then no more.
pub(crate) fn cut_off(address: SocketAddr, bytes: &[u8]) -> Seen {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read(&mut stream)
}

pub(crate) fn read(stream: &mut TcpStream) -> Seen {
    let (mut bytes, mut part) = (Vec::new(), vec![0; 1 << 16]);
    let end = loop {
        if is_whole(&bytes) {
            break End::Whole;
        }
        match stream.read(&mut part) {
            Ok(0) => break End::Closed,
            Ok(read) => bytes.extend(&part[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break End::Silent,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                break End::Reset;
            }
        }
    };
    let (head, body) = parts(&bytes).unwrap_or_default();
    Seen { status: head.get(9..12).map_or(0, |status| status.parse().unwrap()), head, body: body.to_vec(), end }
}

fn parts(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((String::from_utf8(bytes[..end].to_vec()).unwrap(), &bytes[end + 4..]))
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some((head, body)) = parts(bytes) else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.map_or(0, |length| length.parse().unwrap()) <= body.len()
}

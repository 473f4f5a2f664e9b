//! The part of HTTP/1.1 that a go command uses with its proxy: GET requests without a body, one after another on a connection.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use transport::send_range;
use ureq::http::StatusCode;

/// Longest request, in bytes. A module's path has fewer than 200.
const MAX_REQUEST_SIZE: usize = 16 << 10;

/// Headers of a request; the go command sends four.
const MAX_HEADERS: usize = 64;

/// How long an idle connection stays open: longer than the go command keeps one (90 s), so that it never sends a request on a
/// connection that is being closed here.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a connection stays open without a request that has the secret.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one write may wait: a stopped go command holds a thread no longer than this.
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);

/// The type of plain text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Decoded, without a leading slash.
    pub(crate) path: String,
    /// Whether another request may follow on the connection.
    pub(crate) keep_alive: bool,
}

/// Input that is no supported request: the connection is closed after an error response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("reading a request")]
    Read(#[from] io::Error),
    #[error("not an HTTP request")]
    Http(#[from] httparse::Error),
    #[error("{0}")]
    Unsupported(&'static str),
}

/// One connection from a go command.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes read after the latest request.
    buffered: Vec<u8>,
    /// When it was accepted, until a request has the secret.
    unauthenticated_since: Option<Instant>,
    /// Bytes of files that were sent on it.
    sent: u64,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(AUTHENTICATION_TIMEOUT))?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self { stream, buffered: Vec::new(), unauthenticated_since: Some(Instant::now()), sent: 0 })
    }

    /// The client knows the secret: from now on the idle timeout counts.
    pub(crate) fn set_authenticated(&mut self) -> io::Result<()> {
        match self.unauthenticated_since.take() {
            Some(_) => self.stream.set_read_timeout(Some(IDLE_TIMEOUT)),
            None => Ok(()),
        }
    }

    /// The next request; `None` where the go command closed the connection or sends nothing for long.
    pub(crate) fn read(&mut self) -> Result<Option<Request>, RequestError> {
        loop {
            if let Some((request, length)) = parse(&self.buffered)? {
                self.buffered.drain(..length);
                return Ok(Some(request));
            }
            if self.buffered.len() >= MAX_REQUEST_SIZE {
                return Err(RequestError::Unsupported("request too long"));
            }
            if self.unauthenticated_since.is_some_and(|since| since.elapsed() > AUTHENTICATION_TIMEOUT) {
                return Ok(None);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(n) => self.buffered.extend_from_slice(&buffer[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Sends an error response; the go command then asks the rest of its list.
    pub(crate) fn send_error(&mut self, status: u16, message: &str) -> io::Result<()> {
        self.send_text(status, TEXT, &format!("{message}\n"))
    }

    /// Sends a whole response with a text of this type.
    pub(crate) fn send_text(&mut self, status: u16, content_type: &str, body: &str) -> io::Result<()> {
        // The go command prints the status with this reason phrase.
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(response.as_bytes())
    }

    /// Bytes of files that were sent on this connection so far.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent
    }

    /// Begins a response: with a length in bytes, or in chunks where the length is not known yet.
    pub(crate) fn begin(&mut self, length: Option<u64>) -> io::Result<()> {
        let framing = match length {
            Some(length) => format!("Content-Length: {length}"),
            None => "Transfer-Encoding: chunked".to_owned(),
        };
        write!(self.stream, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n{framing}\r\n\r\n")
    }

    /// Sends a part of a file as the next bytes of a response with a length.
    pub(crate) fn send_range(&mut self, file: &File, from: u64, bytes: u64) -> io::Result<()> {
        let mut offset = from;
        let sent = send_range(&self.stream, file, &mut offset, from + bytes);
        self.sent += offset - from;
        sent
    }

    /// Sends a part of a file as the next chunk of a response; an empty chunk ends the response.
    pub(crate) fn send_chunk(&mut self, file: &File, from: u64, bytes: u64) -> io::Result<()> {
        write!(self.stream, "{bytes:x}\r\n")?;
        self.send_range(file, from, bytes)?;
        self.stream.write_all(b"\r\n")
    }
}

/// Parses a request; returns it with its length in bytes, `None` where it is not complete yet.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, RequestError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| str::from_utf8(header.value).unwrap_or_default().trim())
    };
    let has_body = header("Content-Length").is_some_and(|n| n != "0") || header("Transfer-Encoding").is_some();
    if head.method != Some("GET") || has_body {
        return Err(RequestError::Unsupported("only GET without a body is supported"));
    }
    // A web page can make a host name of its own resolve to this address (DNS rebinding); it must not read modules here.
    if !header("Host").is_some_and(is_local) {
        return Err(RequestError::Unsupported("the Host header names another host"));
    }
    let path = head.path.and_then(|path| path.strip_prefix('/')).filter(|path| !path.contains('?'));
    let path = path.and_then(|path| percent_decode_str(path).decode_utf8().ok());
    let path = path.ok_or(RequestError::Unsupported("not a path of this server"))?.into_owned();
    let closes = header("Connection").is_some_and(|words| words.eq_ignore_ascii_case("close"));
    Ok(Some((Request { path, keep_alive: head.version == Some(1) && !closes }, length)))
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(Request, usize)>, RequestError> {
        parse(text.as_bytes())
    }

    #[test]
    fn a_request_is_read_and_decoded() {
        let text =
            "GET /t/github.com/%21burnt/@v/v1.0.0+x.zip HTTP/1.1\r\nHost: 127.0.0.1:99\r\nUser-Agent: Go\r\n\r\nrest";
        let (request, length) = read(text).unwrap().unwrap();
        assert_eq!(request, Request { path: "t/github.com/!burnt/@v/v1.0.0+x.zip".into(), keep_alive: true });
        assert_eq!(&text[length..], "rest");
        assert!(read(&text[..60]).unwrap().is_none());
        for closes in [
            "GET /x HTTP/1.0\r\nHost: [::1]\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ] {
            assert!(!read(closes).unwrap().unwrap().0.keep_alive);
        }
    }

    #[test]
    fn what_was_sent_of_a_file_counts_where_the_rest_is_not_read() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut go = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut connection = Connection::new(listener.accept().unwrap().0).unwrap();
        let (file, size) = (tempfile::tempfile().unwrap(), 256 << 20);
        file.set_len(size).unwrap();
        let read = move || go.read_exact(&mut vec![0; 1 << 20]).unwrap();
        let reader = std::thread::Builder::new().spawn(read).unwrap();
        assert!(connection.send_range(&file, 0, size).is_err());
        reader.join().unwrap();
        let sent = connection.sent_bytes();
        assert!((1 << 20..size).contains(&sent), "{sent}");
    }

    #[test]
    fn other_input_is_an_error() {
        for bad in [
            "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n",
            "GET http://other.test/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /x?y HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: rebound.test:99\r\n\r\n",
            "GET /x HTTP/1.1\r\n\r\n",
            "\x16\x03\x01\x02",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}

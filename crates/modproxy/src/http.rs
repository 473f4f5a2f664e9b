//! The part of HTTP/1.1 that a go command speaks to its proxy: GET without a body, one after the other on a connection.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use transport::send_file;
use ureq::http::StatusCode;

/// Longest request, in bytes. A module's path is under 200.
const REQUEST: usize = 16 << 10;

/// Headers of a request; the go command sends four.
const HEADERS: usize = 64;

/// How long an idle connection stays: longer than the go command keeps one (90 s), so that it never meets our end of it.
const IDLE: Duration = Duration::from_secs(120);

/// How long somebody who has not shown yet that he may ask is listened to.
const FIRST: Duration = Duration::from_secs(5);

/// How long one write may stand still: a go command that was stopped holds a thread no longer.
const STALLED: Duration = Duration::from_secs(120);

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Decoded, without a leading slash.
    pub(crate) path: String,
    /// Whether another request may follow.
    pub(crate) stays: bool,
}

/// What came in cannot be answered in kind: the connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("reading a request")]
    Read(#[from] io::Error),
    #[error("not HTTP")]
    Http(#[from] httparse::Error),
    #[error("{0}")]
    Refused(&'static str),
}

/// One connection from a go command.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read beyond the latest request.
    ahead: Vec<u8>,
    /// When it began, while it is a stranger's.
    stranger_since: Option<Instant>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(FIRST))?;
        stream.set_write_timeout(Some(STALLED))?;
        Ok(Self { stream, ahead: Vec::new(), stranger_since: Some(Instant::now()) })
    }

    /// Who asks knows the secret.
    pub(crate) fn trust(&mut self) -> io::Result<()> {
        match self.stranger_since.take() {
            Some(_) => self.stream.set_read_timeout(Some(IDLE)),
            None => Ok(()),
        }
    }

    /// The next request; `None` where the go command has gone or is silent for long.
    pub(crate) fn read(&mut self) -> Result<Option<Request>, RequestError> {
        loop {
            if let Some((request, length)) = parse(&self.ahead)? {
                self.ahead.drain(..length);
                return Ok(Some(request));
            }
            if self.ahead.len() >= REQUEST {
                return Err(RequestError::Refused("a request that is too long"));
            }
            if self.stranger_since.is_some_and(|since| since.elapsed() > FIRST) {
                return Ok(None);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(n) => self.ahead.extend_from_slice(&piece[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Answers with an error, for the go command to go on with the rest of its list.
    pub(crate) fn refuse(&mut self, status: u16, why: &str) -> io::Result<()> {
        // The go command prints the status with its usual words.
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        let why = format!("{why}\n");
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{why}",
            why.len()
        );
        self.stream.write_all(head.as_bytes())
    }

    /// Begins an answer: of a length in bytes, or, where that is not known yet, in chunks.
    pub(crate) fn begin(&mut self, length: Option<u64>) -> io::Result<()> {
        let framing = match length {
            Some(length) => format!("Content-Length: {length}"),
            None => "Transfer-Encoding: chunked".to_owned(),
        };
        write!(self.stream, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n{framing}\r\n\r\n")
    }

    /// A piece of a file as the next bytes of an answer with a length.
    pub(crate) fn piece(&mut self, file: &File, from: u64, bytes: u64) -> io::Result<()> {
        send_file(&self.stream, file, from, bytes)
    }

    /// ... of an answer in chunks; one without bytes is its end.
    pub(crate) fn chunk(&mut self, file: &File, from: u64, bytes: u64) -> io::Result<()> {
        write!(self.stream, "{bytes:x}\r\n")?;
        send_file(&self.stream, file, from, bytes)?;
        self.stream.write_all(b"\r\n")
    }
}

/// Reads a request and how many bytes it has; `None` if there are more to come.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, RequestError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
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
        return Err(RequestError::Refused("not a GET without a body"));
    }
    // A page in a browser can make a name of its own lead here, and must not read what others fetched.
    if !header("Host").is_some_and(is_here) {
        return Err(RequestError::Refused("a request for another host"));
    }
    let path = head.path.and_then(|path| path.strip_prefix('/')).filter(|path| !path.contains('?'));
    let path = path.and_then(|path| percent_decode_str(path).decode_utf8().ok());
    let path = path.ok_or(RequestError::Refused("not a path"))?.into_owned();
    let closes = header("Connection").is_some_and(|words| words.eq_ignore_ascii_case("close"));
    Ok(Some((Request { path, stays: head.version == Some(1) && !closes }, length)))
}

fn is_here(host: &str) -> bool {
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
        assert_eq!(request, Request { path: "t/github.com/!burnt/@v/v1.0.0+x.zip".into(), stays: true });
        assert_eq!(&text[length..], "rest");
        assert!(read(&text[..60]).unwrap().is_none());
        for closes in [
            "GET /x HTTP/1.0\r\nHost: [::1]\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ] {
            assert!(!read(closes).unwrap().unwrap().0.stays);
        }
    }

    #[test]
    fn whatever_else_ends_the_connection() {
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

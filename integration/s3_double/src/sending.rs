//! How bodies go over the connection, in both directions, with the faults that break them.

use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use crate::MOST_BYTES;
use crate::clock::http_date;
use crate::connection::Connection;
use crate::faults::Fault;
use crate::reply::Reply;

/// How often a dripping body goes on.
const DRIP: Duration = Duration::from_millis(50);

/// Reads a request's body. None: the fault ended the connection.
pub(crate) fn receive(connection: &Connection, from: &mut dyn Read, fault: Option<&Fault>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let most = if let Some(Fault::Reset { after }) = fault { *after as u64 } else { MOST_BYTES };
    let mut from = from.take(most);
    // A body that breaks off is shorter than its length, which is checked later.
    if let Some(Fault::Drip { bytes_per_second }) = fault {
        let part = part_of(*bytes_per_second) as u64;
        while from.by_ref().take(part).read_to_end(&mut body).is_ok_and(|read| read > 0) {
            if connection.wait(DRIP) {
                break;
            }
        }
    } else {
        drop(from.read_to_end(&mut body));
    }
    if matches!(fault, Some(Fault::Reset { after }) if body.len() == *after && *after > 0) {
        connection.reset();
        return None;
    }
    Some(body)
}

/// An answer as the fault leaves it.
#[derive(Debug)]
pub(crate) struct Answer {
    head: Vec<u8>,
    body: Vec<u8>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Close,
    Reset,
}

impl Answer {
    /// The answer at that time of the server's clock.
    pub(crate) fn new(reply: Reply, fault: Option<&Fault>, now: SystemTime) -> Self {
        let Reply { status, headers, mut body } = reply;
        let (mut length, mut end) = (body.len(), End::Open);
        match fault {
            Some(Fault::WrongByte { at }) if !body.is_empty() => {
                let at = (*at).min(body.len() - 1);
                body[at] ^= 1;
            }
            Some(Fault::OtherLength { difference }) => {
                length = length.saturating_add_signed(isize::try_from(*difference).unwrap_or(0));
                end = End::Close;
            }
            Some(Fault::Cut { after }) => {
                body.truncate(*after);
                end = End::Close;
            }
            Some(Fault::Reset { after }) => {
                body.truncate(*after);
                end = End::Reset;
            }
            _ => {}
        }
        let mut head = format!("HTTP/1.1 {status} {}\r\nDate: {}\r\n", reason(status), http_date(now));
        if status != 204 {
            head += &format!("Content-Length: {length}\r\n");
        }
        head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        head += "Server: s3-double\r\n\r\n";
        Self { head: head.into_bytes(), body, end }
    }

    /// Bytes of the body that will be sent.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Sends it, and says how many bytes of the body were sent.
    pub(crate) fn send(&self, connection: &Connection, fault: Option<&Fault>) -> usize {
        let mut sent = 0;
        let dripping = if let Some(Fault::Drip { bytes_per_second }) = fault { Some(*bytes_per_second) } else { None };
        let mut send = || -> io::Result<()> {
            connection.send(&self.head)?;
            for part in self.body.chunks(dripping.map_or(1 << 20, part_of)) {
                connection.send(part)?;
                sent += part.len();
                if dripping.is_some() && connection.wait(DRIP) {
                    break;
                }
            }
            Ok(())
        };
        // A client that is gone does not need the rest.
        let end = if send().is_ok() { self.end } else { End::Close };
        match end {
            End::Open => {}
            End::Close => connection.close(),
            End::Reset => connection.reset(),
        }
        sent
    }
}

/// Bytes that drip at once.
fn part_of(bytes_per_second: usize) -> usize {
    (bytes_per_second / 20).max(1)
}

fn reason(status: u16) -> &'static str {
    tiny_http::StatusCode(status).default_reason_phrase()
}

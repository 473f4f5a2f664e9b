//! What errors tell beside their kind: what was asked for, the answer's status, what was waited for, what is wrong with a body.

use std::io;
use std::time::Duration;

use crate::counters::Method;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// What the request does.
    pub method: Method,
    /// The URL, without its query.
    pub target: String,
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = match self.method {
            Method::Get => "reading",
            Method::Put => "writing",
            Method::Delete => "deleting",
            Method::List => "listing",
        };
        write!(f, "{verb} {}", self.target)
    }
}

/// Status and code of an answer, such as `403 AccessDenied`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The status of HTTP.
    pub status: u16,
    /// The code in S3's body; empty if there is none.
    pub code: String,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}{}{}", self.status, if self.code.is_empty() { "" } else { " " }, self.code)
    }
}

/// Why there was no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum Unavailability {
    /// The engine said so.
    #[error("it answered with {0}")]
    Status(Status),
    /// No connection was made.
    #[error("no connection was made ({0})")]
    Connect(#[source] Box<ureq::Error>),
    /// The connection was lost before the answer.
    #[error("the connection was lost ({0})")]
    Lost(#[source] Box<ureq::Error>),
}

/// What was waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A connection.
    Connect,
    /// Bytes of a put.
    Send,
    /// The head of the response.
    FirstByte,
    /// Bytes of the body.
    Receive,
}

/// What is wrong with a body.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// The connection was lost in it.
    #[error("the connection was lost after {received} bytes{}", expected.map(|n| format!(" of {n}")).unwrap_or_default())]
    Cut {
        /// Bytes that came.
        received: u64,
        /// Bytes that were announced.
        expected: Option<u64>,
        /// The system's answer, if it was not an end in order.
        source: Option<io::Error>,
    },
    /// The object has fewer bytes than the range that was asked for.
    #[error("the object is shorter than the {wanted} bytes up to which it was asked for")]
    Short {
        /// The end of the range.
        wanted: u64,
    },
}

impl Phase {
    /// What happened, for a message.
    pub(crate) fn shown(self, limit: Duration) -> String {
        let seconds = limit.as_secs_f32();
        match self {
            Self::Connect => format!("no connection within {seconds} s"),
            Self::Send => format!("it took too few bytes in {seconds} s"),
            Self::FirstByte => format!("no answer within {seconds} s"),
            Self::Receive => format!("it sent too few bytes in {seconds} s"),
        }
    }
}

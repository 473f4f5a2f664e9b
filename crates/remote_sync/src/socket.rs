//! Objects over a unix socket: the daemon, which has no network, asks cacheprog-remote, which has it and is trusted with nothing.
//!
//! A connection is for one request. The asking side sends a line of JSON, after a put the body; the answer is a line, after a get chunks:
//! the length of each in four bytes (little-endian) before it. A chunk of length 0 ends the body, and a line after the length 2^32-1 says why it
//! breaks off.

mod client;
mod server;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use client::RemoteObjects;
pub use server::answer;

/// Bytes of a line: a name, or a sentence.
const LINE: usize = 4 << 10;

/// Bytes of a chunk.
const CHUNK: usize = 64 << 10;

/// The length that stands before the reason for which a body breaks off.
const BROKEN: u32 = u32::MAX;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Request {
    Get {
        name: String,
        range: Option<Range<u64>>,
    },
    /// So many bytes follow.
    Put {
        name: String,
        size: u64,
    },
}

/// The answer. Texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// Chunks follow.
    Found,
    Missing,
    /// It was put.
    Done,
    Denied(String),
    Failed(String),
}

#[cfg(test)]
mod tests;

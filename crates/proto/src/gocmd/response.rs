//! Answers to cmd/go, each one JSON object and a line feed, appended to a buffer so that one write sends it.
//!
//! The rule to keep: a get is a hit or a miss and a put has a path; `Err` is for requests that no cmd/go sends.

use std::time::SystemTime;

use serde::Serialize;

use crate::Output;

/// What a get found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The output; cmd/go compares its size with the file's.
    pub output: Output,
    /// When the action was last put. cmd/go compares it with `go clean -testcache`'s time and nothing else.
    pub time: SystemTime,
    /// Absolute, without a line feed, and without an extension in its last element (golang/go#74451).
    pub path: String,
}

/// The first message: what we can do. `close` is left out on purpose: without it cmd/go waits for the end of our output
/// all the same, and a missing or failed answer to it cannot fail the command (docs/facts/go.md, "What fails a go command").
pub fn write_hello(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"ID\":0,\"KnownCommands\":[\"get\",\"put\"]}\n");
}

/// A get found nothing.
pub fn write_miss(out: &mut Vec<u8>, id: i64) {
    out.extend_from_slice(format!("{{\"ID\":{id},\"Miss\":true}}\n").as_bytes());
}

/// A get found this.
pub fn write_hit(out: &mut Vec<u8>, id: i64, hit: &Hit) {
    let time = humantime::format_rfc3339_nanos(hit.time);
    let (output, size) = (hit.output.id.to_base64(), hit.output.size);
    out.extend_from_slice(
        format!("{{\"ID\":{id},\"OutputID\":\"{output}\",\"Size\":{size},\"Time\":\"{time}\",\"DiskPath\":").as_bytes(),
    );
    write_string(out, &hit.path);
    out.extend_from_slice(b"}\n");
}

/// A put was kept, in this file.
pub fn write_stored(out: &mut Vec<u8>, id: i64, path: &str) {
    out.extend_from_slice(format!("{{\"ID\":{id},\"DiskPath\":").as_bytes());
    write_string(out, path);
    out.extend_from_slice(b"}\n");
}

/// All is finished. cmd/go never asks since we do not declare `close`; other drivers of the protocol do.
pub fn write_close(out: &mut Vec<u8>, id: i64) {
    out.extend_from_slice(format!("{{\"ID\":{id}}}\n").as_bytes());
}

/// The request makes no sense.
pub fn write_error(out: &mut Vec<u8>, id: i64, error: &str) {
    out.extend_from_slice(format!("{{\"ID\":{id},\"Err\":").as_bytes());
    write_string(out, error);
    out.extend_from_slice(b"}\n");
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    // A Vec takes every write, and a str is always JSON.
    let written = text.serialize(&mut serde_json::Serializer::new(&mut *out));
    debug_assert!(written.is_ok());
}

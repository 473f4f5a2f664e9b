//! What the client and the daemon say to each other over a build's socket: our own protocol, version [`VERSION`].
//!
//! The client sends one [`Hello`] line of JSON, the daemon answers with one [`Welcome`] line; then the client sends
//! frames and the daemon answers, in any order: a reply has the id of its request. A frame is a type byte, the id and fixed
//! little-endian fields; a put's raw bytes follow its frame. docs/reference/protocol.md has the layout.

mod fields;
mod hello;
mod reply;
mod request;

pub use fields::UnixTime;
pub use hello::{
    Command, FirstLine, Hello, Toolchain, VERSION, Welcome, read_first_line, read_json_line, write_json_line,
};
pub use reply::{Candidate, Refusal, Reply};
pub use request::Request;

//! What the client and the daemon say to each other over a build's socket: our own protocol, version [`VERSION`].
//!
//! The client sends one [`Hello`] line of JSON, the daemon answers with one [`Welcome`] line; then the client sends
//! frames and the daemon answers each, in the order in which they came. A frame is a type byte and fixed-width
//! little-endian fields; a put's raw bytes follow its frame. docs/protocol.md has the layout.

mod frame;
mod hello;

pub use frame::{Refusal, Reply, Request, Unix};
pub use hello::{Command, Hello, Toolchain, VERSION, Welcome, read_json_line, write_json_line};

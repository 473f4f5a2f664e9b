//! Talking to the daemon over its unix sockets: what the client, the hook, the module proxy and the command line share.
//!
//! dial.rs connects without ever waiting long, session.rs opens a session of frames on a build's socket, ask.rs asks one
//! question on a control socket, body.rs sends the body of a put.

mod ask;
mod body;
mod dial;
mod session;

pub use ask::ask;
pub use body::{send_file, send_range};
pub use dial::dial;
pub use session::{ConnectError, Connection, HELLO_TIMEOUT, open};

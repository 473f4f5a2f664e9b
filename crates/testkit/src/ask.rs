//! Questions that every user may ask: at the status socket, and over HTTP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use proto::control::{Answer, Control};
use serde_json::Value;

use crate::daemon::Daemon;

/// Asks at the status socket. Returns the answer and what follows it.
#[must_use]
pub fn ask_status_socket(daemon: &Daemon, request: Control) -> (Answer, String) {
    let stream = UnixStream::connect(daemon.dir.path().join("status.sock")).unwrap();
    let (answer, mut rest) = transport::ask(stream, request, &[]).unwrap();
    let mut text = String::new();
    rest.read_to_string(&mut text).unwrap();
    (answer, text)
}

/// Asks for a build's profile at the status socket.
///
/// # Errors
/// The daemon's answer where it refuses.
pub fn profile(daemon: &Daemon, build: &str) -> Result<Value, String> {
    match ask_status_socket(daemon, Control::BuildProfile { build: build.to_owned() }) {
        (Answer::Follows(length), text) => {
            assert_eq!(text.len() as u64, length);
            Ok(serde_json::from_str(&text).unwrap())
        }
        (Answer::Error(error), _) => Err(error),
        (other, _) => panic!("{other:?}"),
    }
}

/// The answer to one HTTP connection that sends this.
#[must_use]
pub fn http(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request).unwrap();
    drop(stream.shutdown(Shutdown::Write));
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    answer
}

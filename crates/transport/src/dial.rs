//! Connecting to a unix socket.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Connects to the socket at `path`. Afterwards each read and each write fails when it stands still for `timeout`.
///
/// It does not wait for the connection: where a stopped daemon's queue is full, a blocking connect would wait for ever
/// (`unix(7)`).
///
/// # Errors
/// The error of the system call. [`io::ErrorKind::WouldBlock`] is a full queue: a program listens and does not accept.
pub fn dial(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    retry_on_intr(|| connect(&socket, &address))?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

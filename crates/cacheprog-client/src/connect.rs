//! Reaching the daemon, within a deadline. For the client, and for the module proxy.

use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use proto::wire::{Hello, VERSION, Welcome, read_json_line, write_json_line};
use proto::{FrameError, limits};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// How long the daemon may take to say hello. A daemon that systemd starts for us takes some 50 ms.
pub(crate) const HELLO: Duration = Duration::from_secs(1);

/// How often the reader of answers looks up to see whether one is overdue.
pub(crate) const LOOK_UP: Duration = Duration::from_millis(250);

/// How long one write may stand still.
const STALLED: Duration = Duration::from_secs(1);

/// A session with the daemon.
#[derive(Debug)]
pub struct Connection {
    /// For frames, with time limits in both directions.
    pub stream: UnixStream,
    /// Directory of the outputs as seen from here.
    pub outputs: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens.
    #[error("no daemon at the socket")]
    Connect(#[source] std::io::Error),
    /// It says nothing, or nothing that can be understood.
    #[error("no hello from the daemon")]
    Hello(#[from] FrameError),
    /// It says no.
    #[error("the daemon refuses: {0}")]
    Refused(String),
}

impl ConnectError {
    /// Whether somebody is there who says nothing, which takes a wait to find out.
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            // A queue that is full is one that nobody serves.
            Self::Connect(e) => e.kind() == std::io::ErrorKind::WouldBlock,
            Self::Hello(e) => e.is_timeout(),
            Self::Refused(_) => false,
        }
    }
}

/// Connects and says hello. Never blocks for longer than a second or two, whatever the daemon does.
///
/// # Errors
/// A [`ConnectError`].
pub fn open(socket: &Path, hello: &Hello) -> Result<Connection, ConnectError> {
    let stream = UnixStream::from(dial(socket).map_err(|e| ConnectError::Connect(e.into()))?);
    let frame = FrameError::from;
    stream.set_nonblocking(false).map_err(frame)?;
    stream.set_read_timeout(Some(HELLO)).map_err(frame)?;
    stream.set_write_timeout(Some(STALLED)).map_err(frame)?;
    write_json_line(&stream, hello).map_err(frame)?;
    let welcome: Welcome = read_json_line(&mut BufReader::with_capacity(4096, &stream), limits::HELLO_LINE)?;
    if let Some(error) = welcome.error {
        return Err(ConnectError::Refused(error));
    }
    if welcome.version != VERSION || !welcome.outputs.starts_with('/') {
        return Err(ConnectError::Refused(format!("it speaks version {}, this client {VERSION}", welcome.version)));
    }
    stream.set_read_timeout(Some(LOOK_UP)).map_err(frame)?;
    Ok(Connection { stream, outputs: welcome.outputs })
}

/// Connects without waiting: where a stopped daemon's queue is full, a blocking connect would wait for ever (`unix(7)`).
pub(crate) fn dial(path: &Path) -> rustix::io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &address)?;
    Ok(socket)
}

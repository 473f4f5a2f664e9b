//! A session of frames on a build's socket: hello each way, then its opener has the stream.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use proto::wire::{Hello, Reply, Request, VERSION, Welcome, read_json_line, write_json_line};
use proto::{FrameError, limits};

use crate::{dial, send_file};

/// How long the daemon may take to say hello, and one write may stand still. A daemon that systemd starts for us takes some
/// 50 ms.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of a welcome that are read at a time, and of a reply where each is waited for.
const BUFFER: usize = 4096;

/// A session with the daemon.
#[derive(Debug)]
pub struct Connection {
    /// For frames, with time limits in both directions: [`HELLO_TIMEOUT`], unless its owner sets others.
    pub stream: UnixStream,
    /// Directory of the outputs as seen from here.
    pub outputs: String,
    /// Ids of requests count up.
    next: AtomicU32,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No program listens.
    #[error("cannot connect to the daemon's socket")]
    Connect(#[source] io::Error),
    /// The daemon answers nothing, or nothing that can be understood.
    #[error("the daemon did not answer the hello")]
    Hello(#[from] FrameError),
    /// The daemon has other frames.
    #[error(
        "the daemon has protocol version {daemon}, this client {VERSION}: restart the daemon, or install programs of one version"
    )]
    Version {
        /// The daemon's version.
        daemon: u32,
    },
    /// The daemon refuses the session.
    #[error("the daemon refused the session: {0}")]
    Refused(String),
}

impl ConnectError {
    /// Whether a daemon is there and does not answer, which takes a wait to find out.
    #[must_use]
    pub fn is_unresponsive(&self) -> bool {
        match self {
            // A full queue is one that is not served.
            Self::Connect(e) => e.kind() == io::ErrorKind::WouldBlock,
            Self::Hello(e) => e.is_timeout(),
            Self::Version { .. } | Self::Refused(_) => false,
        }
    }
}

/// Connects and exchanges hellos. Never blocks for longer than a second or two, whatever the daemon does.
///
/// # Errors
/// A [`ConnectError`].
pub fn open(socket: &Path, hello: &Hello) -> Result<Connection, ConnectError> {
    let stream = dial(socket, HELLO_TIMEOUT).map_err(ConnectError::Connect)?;
    write_json_line(&stream, hello).map_err(FrameError::from)?;
    let welcome: Welcome = read_json_line(&mut BufReader::with_capacity(BUFFER, &stream), limits::HELLO_LINE)?;
    if welcome.version != VERSION {
        return Err(ConnectError::Version { daemon: welcome.version });
    }
    if let Some(error) = welcome.error {
        return Err(ConnectError::Refused(error));
    }
    if !welcome.outputs.starts_with('/') {
        return Err(ConnectError::Refused("its hello names no directory of outputs".to_owned()));
    }
    Ok(Connection { stream, outputs: welcome.outputs, next: AtomicU32::new(0) })
}

impl Connection {
    /// The path of an output that the daemon has exposed.
    #[must_use]
    pub fn path(&self, output: &proto::OutputId) -> String {
        format!("{}/{output}", self.outputs)
    }

    /// An id for a request that no other one of this session has, except one 2^32 requests before.
    pub fn next_id(&self) -> u32 {
        self.next.fetch_add(1, Relaxed)
    }

    /// Whether a request of this session had this id.
    #[must_use]
    pub fn has_issued(&self, id: u32) -> bool {
        id < self.next.load(Relaxed)
    }

    /// Sends a request with the body that follows it, and waits for the reply as long as the stream's time limit says. For
    /// one request at a time: nothing else may be under way.
    ///
    /// # Errors
    /// A [`FrameError`]: the session is of no more use.
    pub fn exchange(&self, request: &Request, body: Option<(&File, u64)>) -> Result<Reply, FrameError> {
        let mut frame = Vec::with_capacity(96);
        let id = self.next_id();
        request.write(id, &mut frame);
        (&self.stream).write_all(&frame)?;
        if let Some((file, size)) = body {
            send_file(&self.stream, file, 0, size)?;
        }
        // Nothing else is under way, so that nothing is lost in this buffer.
        match Reply::read(&mut BufReader::with_capacity(BUFFER, &self.stream))? {
            Some((of, reply)) if of == id => Ok(reply),
            Some(_) => Err(FrameError::OutOfBounds("a reply to another request")),
            None => Err(FrameError::Truncated),
        }
    }
}

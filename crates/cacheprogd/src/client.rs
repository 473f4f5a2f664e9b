//! Asking a running daemon, for the command line.

use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use proto::control::{Answer, Control, Envelope, Status};
use proto::wire::{read_json_line, write_json_line};
use proto::{FrameError, limits};

use crate::error::CommandError;

/// A person waits for the answer; counting a store of a million entries takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon's status.
///
/// # Errors
/// Where no daemon answers, or not that.
pub(crate) fn status(socket: &Path) -> Result<Status, CommandError> {
    let no_daemon = |source| CommandError::NoDaemon { path: socket.to_owned(), source };
    let stream = UnixStream::connect(socket).map_err(no_daemon)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(FrameError::from)?;
    // Whom the daemon does not hear is told so before it has asked: the answer is read even if nobody took the question.
    let asked = write_json_line(&stream, &Envelope::new(Control::Status));
    match read_json_line(&mut BufReader::new(&stream), limits::CONTROL_ANSWER)
        .or_else(|e| asked.map_err(FrameError::from).and(Err(e)))?
    {
        Answer::Status(status) => Ok(*status),
        Answer::Error(error) => Err(CommandError::Refused(error)),
        Answer::Registered { .. } | Answer::Builds(_) => {
            Err(CommandError::Refused("something else than its status".to_owned()))
        }
    }
}

/// Prints to standard output; a reader that left (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(CommandError::Output(e)),
        _ => Ok(()),
    }
}

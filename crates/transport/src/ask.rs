//! One question and its answer on a control socket.

use std::io::{BufReader, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use proto::control::{Answer, Control, Envelope};
use proto::wire::read_json_line;
use proto::{FrameError, limits};
use rustix::io::retry_on_intr;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// Descriptors that travel with a question: the two that a registration may have.
const MOST_FDS: usize = 2;

/// Asks, with descriptors that travel along, at most two. Returns the answer, and what is left to read behind it.
///
/// # Errors
/// A [`FrameError`] where nothing that can be understood is answered within the stream's time limit.
pub fn ask(
    stream: UnixStream,
    request: Control,
    descriptors: &[OwnedFd],
) -> Result<(Answer, BufReader<UnixStream>), FrameError> {
    let mut line = serde_json::to_vec(&Envelope::new(request))?;
    line.push(b'\n');
    let asked = send(&stream, &line, descriptors);
    let mut rest = BufReader::new(stream);
    // A caller whom the daemon refuses is answered before it has asked: the answer is read even if the question was not taken.
    match (read_json_line(&mut rest, limits::CONTROL_ANSWER), asked) {
        (Ok(answer), _) => Ok((answer, rest)),
        (Err(_), Err(asked)) => Err(FrameError::Read(asked)),
        (Err(error), Ok(())) => Err(error),
    }
}

/// Sends the line; the descriptors travel with its first bytes.
fn send(mut stream: &UnixStream, line: &[u8], descriptors: &[OwnedFd]) -> std::io::Result<()> {
    let fds: Vec<BorrowedFd<'_>> = descriptors.iter().take(MOST_FDS).map(AsFd::as_fd).collect();
    let sent = retry_on_intr(|| {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        }
        sendmsg(stream, &[IoSlice::new(line)], &mut ancillary, SendFlags::NOSIGNAL)
    })?;
    stream.write_all(&line[sent..])
}

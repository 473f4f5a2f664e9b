//! One request and its answer, each a line of JSON, with the descriptors that come along a request.
//!
//! The JSON is proto's (control.rs).

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use proto::control::{Answer, Control, Envelope};
use proto::error::with_causes;
use proto::wire::{FirstLine, VERSION, read_first_line, write_json_line};
use proto::{FrameError, limits};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::limits::CONTROL_DESCRIPTORS;
use crate::net::deadline::DeadlineStream;

/// Writes an answer; its reader has [`limits::PEER_TIMEOUT`] for it.
///
/// # Errors
/// Where it is not read.
pub(super) fn write(stream: &UnixStream, answer: &Answer) -> std::io::Result<()> {
    write_json_line(DeadlineStream::new(stream, limits::PEER_TIMEOUT), answer)
}

/// Why a line is not taken as a request of this version.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What it is answered with.
    pub(super) error: String,
    /// Its version, where it has another one.
    pub(super) version: Option<u32>,
}

/// Reads a request with its descriptors, or the error that answers any other line.
///
/// # Errors
/// Where no line can be read.
pub(super) fn read(stream: &UnixStream) -> Result<Result<(Control, Vec<OwnedFd>), Refusal>, FrameError> {
    let (line, fds) = receive(stream)?;
    Ok(match read_first_line::<Envelope>(&mut line.as_slice(), limits::HELLO_LINE) {
        Ok(FirstLine::Current(Envelope { request, .. })) => Ok((request, fds)),
        Ok(FirstLine::OtherVersion(version)) => {
            let error =
                format!("the request is of version {version}, this daemon of {VERSION}: use programs of one package");
            Err(Refusal { error, version: Some(version) })
        }
        Err(e) => Err(Refusal { error: format!("not a request: {}", with_causes(&e)), version: None }),
    })
}

/// Reads up to the end of the first line, with the descriptors that come along. All of it has the time of a hello.
fn receive(stream: &UnixStream) -> Result<(Vec<u8>, Vec<OwnedFd>), FrameError> {
    let (mut line, mut fds) = (Vec::new(), Vec::new());
    let deadline = DeadlineStream::new(stream, limits::PEER_TIMEOUT);
    let mut piece = [0; 4096];
    while !line.contains(&b'\n') {
        if line.len() > limits::HELLO_LINE {
            return Err(FrameError::LineTooLong(limits::HELLO_LINE));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CONTROL_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        stream.set_read_timeout(deadline.left()?)?;
        let received = recvmsg(stream, &mut [IoSliceMut::new(&mut piece)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        let received = match received {
            Err(Errno::INTR) => continue, // as after the daemon was stopped and continued
            received => received.map_err(std::io::Error::from)?,
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
                fds.truncate(CONTROL_DESCRIPTORS);
            }
        }
        if received.bytes == 0 {
            return Err(FrameError::Truncated);
        }
        line.extend_from_slice(&piece[..received.bytes]);
    }
    Ok((line, fds))
}

//! Sending the body of a put that is in a file.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::io::retry_on_intr;

/// Bytes moved by one system call at most: a socket's time limit is for one call.
const PIECE: u64 = 1 << 20;

/// Moves `bytes` bytes of a file, from `from` on, to a socket, without a copy of them in this process.
///
/// # Errors
/// The error of the system call; [`io::ErrorKind::UnexpectedEof`] where the file is shorter.
pub fn send_file(to: impl AsFd, file: &File, from: u64, bytes: u64) -> io::Result<()> {
    send_range(to, file, &mut { from }, from + bytes)
}

/// The same, from `offset` to `end`. After an error `offset` tells what was sent.
///
/// # Errors
/// As [`send_file`].
pub fn send_range(to: impl AsFd, file: &File, offset: &mut u64, end: u64) -> io::Result<()> {
    while *offset < end {
        let most = usize::try_from((end - *offset).min(PIECE)).unwrap_or(usize::MAX);
        if retry_on_intr(|| rustix::fs::sendfile(&to, file, Some(offset), most))? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into()); // it was cut
        }
    }
    Ok(())
}

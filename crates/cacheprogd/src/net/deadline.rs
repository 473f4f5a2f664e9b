//! Reading from a peer, and writing to it, until a deadline: a peer that sends or takes its bytes one by one gains no time by it.
//!
//! The deadlines are the callers', from limits.rs.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// A stream with a deadline, after which each read and write fails with `TimedOut`. Calls that a signal interrupted are made again:
/// the daemon may have been stopped and continued (signal(7)).
#[derive(Debug)]
pub(crate) struct DeadlineStream<'a, S> {
    stream: &'a S,
    /// `None` after [`Self::limit_each`].
    end: Option<Instant>,
}

impl<'a, S: AsFd> DeadlineStream<'a, S> {
    /// All reads and writes together have this long.
    pub(crate) fn new(stream: &'a S, time: Duration) -> Self {
        Self { stream, end: Some(Instant::now() + time) }
    }

    /// From now on each read and each write has this long, and all of them together have no deadline.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub(crate) fn limit_each(&mut self, each: Duration) -> io::Result<()> {
        self.end = None;
        set_socket_timeout(self.stream, Timeout::Recv, Some(each))?;
        Ok(set_socket_timeout(self.stream, Timeout::Send, Some(each))?)
    }

    /// The time until the deadline; `None` where there is no deadline.
    ///
    /// # Errors
    /// `TimedOut` after it.
    pub(crate) fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl<'a, S: AsFd> Read for DeadlineStream<'a, S>
where
    &'a S: Read,
{
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(left) = self.left()? {
                set_socket_timeout(self.stream, Timeout::Recv, Some(left))?;
            }
            match self.stream.read(bytes) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl<'a, S: AsFd> Write for DeadlineStream<'a, S>
where
    &'a S: Write,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            if let Some(left) = self.left()? {
                set_socket_timeout(self.stream, Timeout::Send, Some(left))?;
            }
            match self.stream.write(bytes) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_peer_that_sends_byte_by_byte_gains_no_time() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut stream = DeadlineStream::new(&ours, Duration::from_millis(300));
        let result = std::thread::scope(|scope| {
            let sending = scope.spawn(move || {
                while (&theirs).write_all(b"x").is_ok() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let result = stream.read_to_end(&mut Vec::new());
            ours.shutdown(std::net::Shutdown::Both).unwrap();
            sending.join().unwrap();
            result
        });
        assert!(matches!(result.unwrap_err().kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock));
    }

    #[test]
    fn a_write_to_a_peer_that_reads_nothing_ends() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let written = DeadlineStream::new(&ours, Duration::from_millis(100)).write_all(&vec![0; 16 << 20]);
        assert!(matches!(written.unwrap_err().kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock));
    }

    #[test]
    fn after_the_deadline_nothing_is_read_although_bytes_wait() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"xyz").unwrap();
        let mut stream = DeadlineStream::new(&ours, Duration::ZERO);
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        stream.limit_each(Duration::from_secs(10)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 1);
    }
}

//! Reading from a peer, and writing to it, until a moment: one that sends or takes its bytes one by one gains no time by it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// A stream, until a moment; then whatever is read or written fails with `TimedOut`. Calls that a signal interrupted (a daemon
/// that was stopped and goes on, say: signal(7)) are made again.
#[derive(Debug)]
pub(crate) struct Within<'a, S> {
    stream: &'a S,
    /// Until when, and the limit of each wait after [`Self::lift`].
    end: Option<Instant>,
}

impl<'a, S: AsFd> Within<'a, S> {
    /// All that is read and written has so long together.
    pub(crate) fn new(stream: &'a S, time: Duration) -> Self {
        Self { stream, end: Some(Instant::now() + time) }
    }

    /// From now on each wait has so long, and there is no end of all of them.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub(crate) fn lift(&mut self, each: Duration) -> io::Result<()> {
        self.end = None;
        set_socket_timeout(self.stream, Timeout::Recv, Some(each))?;
        Ok(set_socket_timeout(self.stream, Timeout::Send, Some(each))?)
    }

    /// What is left of the time; `None` where there is no end.
    ///
    /// # Errors
    /// `TimedOut` where nothing is.
    pub(crate) fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl<'a, S: AsFd> Read for Within<'a, S>
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

impl<'a, S: AsFd> Write for Within<'a, S>
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
    fn bytes_that_come_one_by_one_gain_no_time() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut within = Within::new(&ours, Duration::from_millis(300));
        let result = std::thread::scope(|scope| {
            let sending = scope.spawn(move || {
                while (&theirs).write_all(b"x").is_ok() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let result = within.read_to_end(&mut Vec::new());
            ours.shutdown(std::net::Shutdown::Both).unwrap();
            sending.join().unwrap();
            result
        });
        assert!(matches!(result.unwrap_err().kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock));
    }

    #[test]
    fn a_peer_that_takes_nothing_is_not_waited_for_without_end() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let written = Within::new(&ours, Duration::from_millis(100)).write_all(&vec![0; 16 << 20]);
        assert!(matches!(written.unwrap_err().kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock));
    }

    #[test]
    fn a_time_that_is_over_ends_it_though_there_is_something_to_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"xyz").unwrap();
        let mut within = Within::new(&ours, Duration::ZERO);
        assert_eq!(within.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        within.lift(Duration::from_secs(10)).unwrap();
        assert_eq!(within.read(&mut [0]).unwrap(), 1);
    }
}

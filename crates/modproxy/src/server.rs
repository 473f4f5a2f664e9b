//! One loop that accepts, and a thread for each connection.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::Proxy;
use crate::http::Connection;

/// Connections at once: a go command opens some ten. One more is closed, and its go command goes on without us.
const MOST: usize = 256;

/// How long the listener is left alone after a connection that could not be accepted: where there are no descriptors left, it
/// stays ready whatever is done.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the log is told of it.
const TOLD: Duration = Duration::from_secs(60);

/// A thread of a connection reads and checks what was kept.
const STACK: usize = 512 << 10;

/// Serves until `watched`, if there is one, becomes readable: a process that has ended, say. Requests have to begin with the
/// secret, if it is not empty.
///
/// # Errors
/// The system does not let this loop wait.
pub fn serve(listener: &TcpListener, proxy: &Arc<Proxy>, secret: &str, watched: Option<&OwnedFd>) -> io::Result<()> {
    listener.set_nonblocking(true)?; // a connection may be gone again when it is accepted
    let secret: Arc<str> = secret.into();
    let live = Arc::new(AtomicUsize::new(0));
    let mut told: Option<Instant> = None;
    loop {
        let fds = [Some(listener.as_fd()), watched.map(AsFd::as_fd)];
        let mut fds: Vec<_> = fds.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        if fds.get(1).is_some_and(|watched| !watched.revents().is_empty()) {
            return Ok(());
        }
        match listener.accept() {
            Ok((stream, _)) => start(stream, proxy, &secret, &live),
            Err(e) if is_passing(e.kind()) => {}
            Err(e) => {
                if told.is_none_or(|told| told.elapsed() > TOLD) {
                    log::warn!("accepting connections: {e}; trying again every {} ms", PAUSE.as_millis());
                    told = Some(Instant::now());
                }
                thread::sleep(PAUSE);
            }
        }
    }
}

/// Whether an error of `accept` is over with it: a signal came, or the connection went again.
fn is_passing(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}

/// Counts a connection while it lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn start(stream: TcpStream, proxy: &Arc<Proxy>, secret: &Arc<str>, live: &Arc<AtomicUsize>) {
    let counted = Counted(live.clone());
    if live.fetch_add(1, Relaxed) >= MOST {
        log::debug!("over {MOST} connections at once are turned away"); // anyone may cause these
        return;
    }
    let (proxy, secret) = (proxy.clone(), secret.clone());
    let thread = thread::Builder::new().name("go".to_owned()).stack_size(STACK);
    let started = thread.spawn(move || {
        converse(stream, &proxy, &secret).unwrap_or_else(|e| log::debug!("a connection ends: {e}"));
        drop(counted);
    });
    if let Err(e) = started {
        log::warn!("a connection is turned away: {e}");
    }
}

fn converse(stream: TcpStream, proxy: &Arc<Proxy>, secret: &str) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    loop {
        let request = match connection.read() {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(e) => return connection.refuse(400, &e.to_string()),
        };
        match without_secret(&request.path, secret) {
            Some(path) => {
                connection.trust()?;
                proxy.answer(path, &mut connection)?;
            }
            None => return connection.refuse(404, "not for you"),
        }
        if !request.stays {
            return Ok(());
        }
    }
}

/// The path behind the secret. How long the comparison takes does not tell where they differ.
fn without_secret<'a>(path: &'a str, secret: &str) -> Option<&'a str> {
    if secret.is_empty() {
        return Some(path);
    }
    let (first, rest) = path.split_once('/')?;
    let differ = first.bytes().zip(secret.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
    (first.len() == secret.len() && differ == 0).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_connection_can_be_accepted_there_is_a_pause() {
        let passes = |errno: Errno| is_passing(io::Error::from(errno).kind());
        assert!([Errno::INTR, Errno::AGAIN, Errno::CONNABORTED].into_iter().all(passes));
        assert!(![Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].into_iter().any(passes));
    }

    #[test]
    fn who_does_not_know_the_secret_asks_for_nothing() {
        assert_eq!(without_secret("secret/a.test/@v/list", "secret"), Some("a.test/@v/list"));
        for path in ["a.test/@v/list", "secreT/a.test/@v/list", "secret", "secrets/x", "/x", ""] {
            assert_eq!(without_secret(path, "secret"), None, "{path}");
        }
        assert_eq!(without_secret("a.test/@v/list", ""), Some("a.test/@v/list"));
    }
}

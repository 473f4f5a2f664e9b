//! Accepts connections, in one loop, and serves each in a thread of its own. The other clients of this machine do not know
//! the secret of a build's proxy; their requests are refused here.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::http::Connection;
use crate::proxy::Proxy;

/// Connections at once: a go command opens about ten. Above that a connection is closed, and its go command asks the rest of
/// its list.
const MAX_CONNECTIONS: usize = 256;

/// Delay after a connection that could not be accepted: without free file descriptors the listener stays ready, and the loop
/// would spin.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Least time between two log lines about it.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The thread of a connection reads and checks cached files.
const CONNECTION_STACK_SIZE: usize = 512 << 10;

/// Serves until `watched`, if there is one, becomes readable: the descriptor of a process does when the process ends. The path
/// of each request has to begin with the secret, if that is not empty.
///
/// # Errors
/// The system cannot wait for connections.
pub fn serve(listener: &TcpListener, proxy: &Arc<Proxy>, secret: &str, watched: Option<&OwnedFd>) -> io::Result<()> {
    listener.set_nonblocking(true)?; // a connection may be gone again when it is accepted
    let secret: Arc<str> = secret.into();
    let live = Arc::new(AtomicUsize::new(0));
    let mut warned: Option<Instant> = None;
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
            Ok((stream, _)) => spawn_connection(stream, proxy, &secret, &live),
            Err(e) if is_transient(e.kind()) => {}
            Err(e) => {
                if warned.is_none_or(|warned| warned.elapsed() > WARNING_INTERVAL) {
                    log::warn!("cannot accept connections: {e}; retrying every {} ms", ACCEPT_RETRY_DELAY.as_millis());
                    warned = Some(Instant::now());
                }
                thread::sleep(ACCEPT_RETRY_DELAY);
            }
        }
    }
}

/// Whether the next `accept` can succeed at once: a signal arrived, or the client closed the connection.
fn is_transient(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}

/// Counts a connection for as long as it lives.
struct ConnectionGuard(Arc<AtomicUsize>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn spawn_connection(stream: TcpStream, proxy: &Arc<Proxy>, secret: &Arc<str>, live: &Arc<AtomicUsize>) {
    let guard = ConnectionGuard(live.clone());
    if live.fetch_add(1, Relaxed) >= MAX_CONNECTIONS {
        // Only at debug level: any process of this machine may cause it.
        log::debug!("connection limit ({MAX_CONNECTIONS}) reached: refusing");
        return;
    }
    let (proxy, secret) = (proxy.clone(), secret.clone());
    let thread = thread::Builder::new().name("go".to_owned()).stack_size(CONNECTION_STACK_SIZE);
    let started = thread.spawn(move || {
        serve_connection(stream, &proxy, &secret).unwrap_or_else(|e| log::debug!("closing a connection: {e}"));
        drop(guard);
    });
    if let Err(e) = started {
        log::warn!("refusing a connection: no thread for it: {e}");
    }
}

fn serve_connection(stream: TcpStream, proxy: &Arc<Proxy>, secret: &str) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    loop {
        let request = match connection.read() {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(e) => return connection.send_error(400, &e.to_string()),
        };
        match strip_secret(&request.path, secret) {
            Some(path) => {
                connection.set_authenticated()?;
                proxy.respond(path, &mut connection)?;
            }
            None => return connection.send_error(404, "page not found"),
        }
        if !request.keep_alive {
            return Ok(());
        }
    }
}

/// The path after the secret. The time of the comparison does not depend on where the two differ.
fn strip_secret<'a>(path: &'a str, secret: &str) -> Option<&'a str> {
    if secret.is_empty() {
        return Some(path);
    }
    let (first, rest) = path.split_once('/')?;
    let difference = first.bytes().zip(secret.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b));
    (first.len() == secret.len() && difference == 0).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_errors_that_persist_are_not_retried_at_once() {
        let transient = |errno: Errno| is_transient(io::Error::from(errno).kind());
        assert!([Errno::INTR, Errno::AGAIN, Errno::CONNABORTED].into_iter().all(transient));
        assert!(![Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].into_iter().any(transient));
    }

    #[test]
    fn a_request_without_the_secret_has_no_path() {
        assert_eq!(strip_secret("secret/a.test/@v/list", "secret"), Some("a.test/@v/list"));
        for path in ["a.test/@v/list", "secreT/a.test/@v/list", "secret", "secrets/x", "/x", ""] {
            assert_eq!(strip_secret(path, "secret"), None, "{path}");
        }
        assert_eq!(strip_secret("a.test/@v/list", ""), Some("a.test/@v/list"));
    }
}

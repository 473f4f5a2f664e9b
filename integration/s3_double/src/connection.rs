//! A client's connection. What the client sends is passed on to `tiny_http`, which reads the requests; answers are written to the
//! client directly. So an answer can break off, be reset or never come, for which `tiny_http` has no means: its requests give a
//! writer and no socket.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::mutex::lock;

#[derive(Debug)]
pub(crate) struct Connection {
    client: TcpStream,
    pub(crate) peer: SocketAddr,
    is_reset: AtomicBool,
    /// Whether the client or this server closed it.
    closed: Mutex<bool>,
    changed: Condvar,
}

impl Connection {
    pub(crate) fn new(client: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        client.set_nodelay(true)?; // head and body are two writes
        let (is_reset, closed) = (AtomicBool::new(false), Mutex::new(false));
        Ok(Self { client, peer, is_reset, closed, changed: Condvar::new() })
    }

    /// Passes what the client sends to the socket, until the client has no more.
    pub(crate) fn pass_up(&self, mut inner: &TcpStream) {
        drop(io::copy(&mut &self.client, &mut inner)); // an error is an end, as the end is
        drop(inner.shutdown(Shutdown::Write));
        *lock(&self.closed) = true;
        self.changed.notify_all();
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.client).write_all(bytes)
    }

    /// Waits; stops early and is true if the connection is closed.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let waiting = self.changed.wait_timeout_while(lock(&self.closed), time, |closed| !*closed);
        *waiting.unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    /// Closes it in an orderly way, after what was sent.
    pub(crate) fn close(&self) {
        if !self.is_reset.load(Ordering::SeqCst) {
            drop(self.client.shutdown(Shutdown::Both)); // it may be closed already
        }
    }

    /// Resets it: with a linger time of 0 its last owner's close sends RST. The end of reading makes all owners let go.
    pub(crate) fn reset(&self) {
        self.is_reset.store(true, Ordering::SeqCst);
        let _ = set_socket_linger(&self.client, Some(Duration::ZERO));
        drop(self.client.shutdown(Shutdown::Read));
    }
}

/// Closes a connection that was just accepted, with RST.
pub(crate) fn refuse(client: TcpStream) {
    let _ = set_socket_linger(&client, Some(Duration::ZERO));
    drop(client);
}

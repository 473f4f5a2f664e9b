//! Metrics and the page, over HTTP: off unless a setting names an address. Whoever reaches the address may read both.
//!
//! request.rs understands what is asked (pure), metrics.rs and page.rs are the answers.

pub(crate) mod metrics;
mod page;
mod request;

use std::io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use request::Wanted;

use crate::control::{Context, status};
use crate::deadline::{Socket, Within};
use crate::error::CommandError;
use crate::listener;

/// Connections at once, each a thread; a scrape or a page needs one for a moment.
const MOST: usize = 8;

/// How long a peer may take for its request, and for our answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A thread needs little: what it holds is on the heap.
const STACK: usize = 512 << 10;

/// Where others ask.
#[derive(Debug)]
pub(crate) struct Server {
    listener: Listener,
    open: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Listener {
    Port(TcpListener),
    Socket(UnixListener),
}

/// A connection of either kind.
#[derive(Debug)]
enum Stream {
    Port(TcpStream),
    Socket(UnixStream),
}

impl Server {
    /// Listens at `ADDRESS:PORT`, or at a socket's absolute path, which everyone may reach.
    ///
    /// # Errors
    /// Where that is not possible.
    pub(crate) fn listen(address: &str) -> Result<Self, CommandError> {
        let listen = || {
            if address.starts_with('/') {
                return listener::everyones(Path::new(address)).map(Listener::Socket);
            }
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(Listener::Port(listener))
        };
        let listener = listen().map_err(|source| CommandError::Listen { path: address.into(), source })?;
        if let Listener::Port(listener) = &listener
            && let Ok(at) = listener.local_addr()
        {
            log::info!("metrics and a page at http://{at}/");
        }
        Ok(Self { listener, open: Arc::default() })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Port(listener) => listener.as_fd(),
            Listener::Socket(listener) => listener.as_fd(),
        }
    }

    /// Takes one connection that waits, and answers it in a thread.
    ///
    /// # Errors
    /// Where none can be accepted now, as where there are no descriptors left.
    pub(crate) fn accept(&self, context: &Arc<Context>) -> io::Result<()> {
        let stream = match &self.listener {
            Listener::Port(listener) => listener.accept().map(|(stream, _)| Stream::Port(stream)),
            Listener::Socket(listener) => listener.accept().map(|(stream, _)| Stream::Socket(stream)),
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(e) if matches!(e.kind(), WouldBlock | Interrupted | ConnectionAborted) => return Ok(()),
            Err(e) => return Err(e),
        };
        let Some(open) = Open::enter(&self.open) else {
            log::debug!("{MOST} connections at once: one more is turned away");
            return Ok(());
        };
        let context = context.clone();
        let run = move || {
            let _open = open;
            let served = match &stream {
                Stream::Port(stream) => serve(stream, &context).and_then(|()| stream.shutdown(Shutdown::Write)),
                Stream::Socket(stream) => serve(stream, &context).and_then(|()| stream.shutdown(Shutdown::Write)),
            };
            served.unwrap_or_else(|e| log::debug!("http: {e}"));
        };
        if let Err(e) = thread::Builder::new().name("http".to_owned()).stack_size(STACK).spawn(run) {
            log::error!("starting a thread: {e}");
        }
        Ok(())
    }
}

/// A connection, until it is dropped.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn enter(open: &Arc<AtomicUsize>) -> Option<Self> {
        let entered = Self(open.clone());
        (open.fetch_add(1, Relaxed) < MOST).then_some(entered)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn serve<'a, S: Socket>(stream: &'a S, context: &Context) -> io::Result<()>
where
    &'a S: Read + Write,
{
    let own_name =
        nix::sys::utsname::uname().map_or(String::new(), |name| name.nodename().to_string_lossy().into_owned());
    let text = "text/plain; charset=utf-8";
    let (code, kind, body) = match request::read(&mut Within::new(stream, PATIENCE), &own_name) {
        Wanted::Page => ("200 OK", "text/html; charset=utf-8", page::page(context)),
        Wanted::Metrics => {
            let text = metrics::text(&status(context), context.registry.totals(), &context.latency);
            ("200 OK", metrics::TYPE, text)
        }
        Wanted::Nothing => ("404 Not Found", text, "there are / and /metrics\n".to_owned()),
        Wanted::Verb => ("405 Method Not Allowed", text, "GET alone\n".to_owned()),
        Wanted::Stranger => ("421 Misdirected Request", text, "ask by address, localhost or our own name\n".to_owned()),
        Wanted::Nonsense => ("400 Bad Request", text, "that is no request\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: {}\r\n\r\n",
        body.len(),
        page::POLICY
    );
    let mut answer = Within::new(stream, PATIENCE);
    answer.write_all(head.as_bytes())?;
    answer.write_all(body.as_bytes())
}

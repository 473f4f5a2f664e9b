//! Metrics and the page, over HTTP: off unless a setting names an address. Whoever reaches the address may read both.
//!
//! request.rs understands what is asked (pure), metrics.rs and page.rs are the answers.

pub(crate) mod metrics;
mod page;
mod request;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use request::Wanted;

use crate::control::{Context, status};
use crate::error::CommandError;
use crate::listener;

/// Connections at once, each a thread; a scrape or a page needs one for a moment.
const MOST: usize = 8;

/// How long a peer may take for each piece of its request, and of our answer.
const PATIENCE: Duration = Duration::from_secs(5);

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

trait Stream: Read + Write + Send {
    fn prepare(&self) -> io::Result<()>;
    fn end(&self);
}

macro_rules! stream {
    ($stream:ty) => {
        impl Stream for $stream {
            fn prepare(&self) -> io::Result<()> {
                self.set_nonblocking(false)?;
                self.set_read_timeout(Some(PATIENCE))?;
                self.set_write_timeout(Some(PATIENCE))
            }

            fn end(&self) {
                // The peer may be gone: just as well.
                drop(self.shutdown(Shutdown::Write));
            }
        }
    };
}

stream!(std::net::TcpStream);
stream!(std::os::unix::net::UnixStream);

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
    pub(crate) fn accept(&self, context: &Arc<Context>) {
        let stream: io::Result<Box<dyn Stream>> = match &self.listener {
            Listener::Port(listener) => listener.accept().map(|(stream, _)| Box::new(stream) as Box<dyn Stream>),
            Listener::Socket(listener) => listener.accept().map(|(stream, _)| Box::new(stream) as Box<dyn Stream>),
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            Err(e) => return log::debug!("http: {e}"),
        };
        let open = Open::enter(&self.open);
        let Some(open) = open else { return log::debug!("{MOST} connections at once: one more is turned away") };
        let context = context.clone();
        let run = move || {
            let _open = open;
            if let Err(e) = serve(stream, &context) {
                log::debug!("http: {e}");
            }
        };
        if let Err(e) = thread::Builder::new().name("http".to_owned()).stack_size(STACK).spawn(run) {
            log::error!("starting a thread: {e}");
        }
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

fn serve(mut stream: Box<dyn Stream>, context: &Context) -> io::Result<()> {
    stream.prepare()?;
    let own_name =
        nix::sys::utsname::uname().map_or(String::new(), |name| name.nodename().to_string_lossy().into_owned());
    let text = "text/plain; charset=utf-8";
    let (code, kind, body) = match request::read(&mut stream, &own_name) {
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
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.end();
    Ok(())
}

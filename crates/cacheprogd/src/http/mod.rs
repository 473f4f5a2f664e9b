//! Metrics and the page, over HTTP: off unless a setting names an address. Whoever reaches the address may read both.
//!
//! request.rs understands what is asked (pure), metrics.rs and page.rs are the answers. Why connections are accepted and limited here
//! and not by `tiny_http`: docs/reference/dependencies.md.

pub(crate) mod metrics;
mod page;
mod request;

use std::fs::File;
use std::io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use request::{Asked, Wanted};
use rustix::net::{Shutdown, shutdown};

use crate::control::{Context, status};
use crate::deadline::Within;
use crate::error::CommandError;
use crate::listener;
use crate::sessions::{Connection, Owner, Sessions};
use crate::sync::lock;

/// Connections at once, each a thread; a scrape or a page needs one for a moment. When there are more, the one goes that has been
/// silent for longest.
const MOST: usize = 8;

/// How long a peer may take for its request, and for our answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How old a page may be: one is made of up to twenty accounts, and whoever reaches us may ask for it without end.
const FRESH: Duration = Duration::from_secs(1);

/// Where others ask.
#[derive(Debug)]
pub(crate) struct Server {
    listener: Listener,
    /// A connected socket of either kind is read and written as a file.
    connections: Arc<Sessions<File>>,
    visitors: AtomicU64,
    latest: Arc<Latest>,
}

#[derive(Debug)]
enum Listener {
    Port(TcpListener),
    Socket(UnixListener),
}

/// The page that was made last. Held while one is made: whoever asks meanwhile is given the same.
type Latest = Mutex<Option<(Instant, Arc<str>)>>;

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
        let connections = Sessions::new(MOST, 1);
        Ok(Self { listener, connections, visitors: AtomicU64::new(0), latest: Arc::default() })
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
        let accepted = match &self.listener {
            Listener::Port(listener) => listener.accept().map(|(stream, _)| OwnedFd::from(stream)),
            Listener::Socket(listener) => listener.accept().map(|(stream, _)| OwnedFd::from(stream)),
        };
        let stream = match accepted {
            Ok(stream) => File::from(stream),
            Err(e) if matches!(e.kind(), WouldBlock | Interrupted | ConnectionAborted) => return Ok(()),
            Err(e) => return Err(e),
        };
        let visitor = Owner::Visitor(self.visitors.fetch_add(1, Relaxed));
        let (context, latest) = (context.clone(), self.latest.clone());
        let serve = move |connection: &Connection<File>| {
            serve(connection, &context, &latest).unwrap_or_else(|e| log::debug!("http: {e}"));
        };
        if !self.connections.start("http", (stream, visitor), serve) {
            log::debug!("{MOST} requests at once: one more is turned away");
        }
        Ok(())
    }
}

fn serve(connection: &Connection<File>, context: &Context, latest: &Latest) -> io::Result<()> {
    let stream = &connection.stream;
    let own_name =
        nix::sys::utsname::uname().map_or(String::new(), |name| name.nodename().to_string_lossy().into_owned());
    let Asked { wanted, is_head } = request::read(&mut Within::new(stream, PATIENCE), &own_name);
    let under_way = connection.request();
    let text = "text/plain; charset=utf-8";
    let (code, kind, body): (_, _, Arc<str>) = match wanted {
        Wanted::Page => ("200 OK", "text/html; charset=utf-8", latest_page(context, latest)),
        Wanted::Metrics => {
            let text = metrics::text(&status(context), context.registry.totals(), &context.latency);
            ("200 OK", metrics::TYPE, text.into())
        }
        Wanted::Nothing => ("404 Not Found", text, "there are / and /metrics\n".into()),
        Wanted::Verb => ("405 Method Not Allowed\r\nAllow: GET, HEAD", text, "GET and HEAD alone\n".into()),
        Wanted::Stranger => ("421 Misdirected Request", text, "ask by address, localhost or our own name\n".into()),
        Wanted::Nonsense => ("400 Bad Request", text, "that is no request\n".into()),
    };
    drop(under_way); // whoever does not take an answer is silent
    let head = format!(
        "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: {}\r\n\r\n",
        body.len(),
        page::POLICY
    );
    let mut answer = Within::new(stream, PATIENCE);
    answer.write_all(head.as_bytes())?;
    if !is_head {
        answer.write_all(body.as_bytes())?;
    }
    Ok(shutdown(stream, Shutdown::Write)?)
}

fn latest_page(context: &Context, latest: &Latest) -> Arc<str> {
    let mut latest = lock(latest);
    match &*latest {
        Some((made, page)) if made.elapsed() < FRESH => page.clone(),
        _ => {
            let page: Arc<str> = page::page(context).into();
            *latest = Some((Instant::now(), page.clone()));
            page
        }
    }
}

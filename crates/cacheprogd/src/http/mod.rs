//! Metrics and the page, over HTTP: off unless a setting names an address. Anyone who reaches the address may read both.
//!
//! request.rs decides what is asked for (pure), metrics.rs and page.rs make the two responses. Why connections are accepted and
//! limited here and not by `tiny_http`: docs/explanation/dependencies.md.

mod metrics;
mod page;
pub(crate) mod request;

use std::fs::File;
use std::io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use request::{HttpRequest, Target};
use rustix::net::{Shutdown, shutdown};
use settings::HttpAddress;

use crate::context::Context;
use crate::control::status::status;
use crate::error::CommandError;
use crate::limits::{HTTP_CONNECTIONS, HTTP_WAIT, PAGE_MAX_AGE};
use crate::mutex::lock;
use crate::net::bind::{EVERYONE, bind};
use crate::net::connections::{Connection, Connections, Owner};
use crate::net::deadline::DeadlineStream;

/// The HTTP server: its socket and its connections.
#[derive(Debug)]
pub(crate) struct Server {
    listener: Listener,
    /// A connected socket of either kind is read and written as a file.
    connections: Arc<Connections<File>>,
    next_id: AtomicU64,
    latest: Arc<LatestPage>,
}

#[derive(Debug)]
enum Listener {
    Port(TcpListener),
    Socket(UnixListener),
}

/// The page that was made last, and what of it is kept for the next one. Held while one is made: requests that come meanwhile get the
/// same page.
type LatestPage = Mutex<(Option<(Instant, Arc<str>)>, page::Kept)>;

impl Server {
    /// Listens at `ADDRESS:PORT`, or at a socket, to which every user may connect.
    ///
    /// # Errors
    /// Where that is not possible.
    pub(crate) fn listen(address: &HttpAddress) -> Result<Self, CommandError> {
        let at_port = |address: &str| {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(Listener::Port(listener))
        };
        let (path, listener) = match address {
            HttpAddress::Port(name) => (Path::new(name), at_port(address.to_listen_at().as_deref().unwrap_or(name))),
            HttpAddress::Socket(socket) => (socket.path(), bind(socket.path(), EVERYONE).map(Listener::Socket)),
        };
        let listener = listener.map_err(|source| CommandError::Listen { path: path.to_owned(), source })?;
        if let Listener::Port(listener) = &listener
            && let Ok(at) = listener.local_addr()
        {
            log::info!("metrics and the page at http://{at}/");
        }
        let connections = Connections::new(HTTP_CONNECTIONS, 1);
        Ok(Self { listener, connections, next_id: AtomicU64::new(0), latest: Arc::default() })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Port(listener) => listener.as_fd(),
            Listener::Socket(listener) => listener.as_fd(),
        }
    }

    /// Accepts one connection that waits, and answers it in a thread.
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
        let owner = Owner::Http(self.next_id.fetch_add(1, Relaxed));
        let (context, latest) = (context.clone(), self.latest.clone());
        let serve = move |connection: &Connection<File>| {
            serve(connection, &context, &latest).unwrap_or_else(|e| log::debug!("http: {e}"));
        };
        if !self.connections.start("http", (stream, owner), serve) {
            log::debug!("http: connection limit ({HTTP_CONNECTIONS}) reached: refusing");
        }
        Ok(())
    }
}

fn serve(connection: &Connection<File>, context: &Context, latest: &LatestPage) -> io::Result<()> {
    let stream = &connection.stream;
    let own_name =
        nix::sys::utsname::uname().map_or(String::new(), |name| name.nodename().to_string_lossy().into_owned());
    let HttpRequest { target, is_head } = request::read(&mut DeadlineStream::new(stream, HTTP_WAIT), &own_name);
    let under_way = connection.begin_request();
    let text = "text/plain; charset=utf-8";
    let (code, kind, body): (_, _, Arc<str>) = match target {
        Target::Page => ("200 OK", "text/html; charset=utf-8", latest_page(context, latest)),
        Target::Metrics => {
            let text = metrics::text(&status(context), context.registry.totals(), &context.latency);
            ("200 OK", metrics::TYPE, text.into())
        }
        Target::NotFound => ("404 Not Found", text, "Not Found: try / or /metrics\n".into()),
        Target::MethodNotAllowed => {
            ("405 Method Not Allowed\r\nAllow: GET, HEAD", text, "Method Not Allowed: use GET or HEAD\n".into())
        }
        Target::Misdirected => {
            let body = "Misdirected Request: use an address, localhost or this machine's name\n";
            ("421 Misdirected Request", text, body.into())
        }
        Target::BadRequest => ("400 Bad Request", text, "Bad Request\n".into()),
    };
    drop(under_way); // a peer that does not read the response counts as silent
    let head = format!(
        "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: {}\r\n\r\n",
        body.len(),
        page::POLICY
    );
    let mut response = DeadlineStream::new(stream, HTTP_WAIT);
    response.write_all(head.as_bytes())?;
    if !is_head {
        response.write_all(body.as_bytes())?;
    }
    Ok(shutdown(stream, Shutdown::Write)?)
}

fn latest_page(context: &Context, latest: &LatestPage) -> Arc<str> {
    let mut latest = lock(latest);
    let (made, kept) = &mut *latest;
    match &*made {
        Some((at, page)) if at.elapsed() < PAGE_MAX_AGE => page.clone(),
        _ => {
            let page: Arc<str> = page::page(context, kept).into();
            *made = Some((Instant::now(), page.clone()));
            page
        }
    }
}

//! What ends this program, or keeps it from starting.

use std::io;
use std::net::SocketAddr;

use store::StoreError;

use crate::list::ListError;

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The go command cannot be asked for its settings.
    #[error("asking `go env`: {0}")]
    GoEnv(#[source] io::Error),
    /// GOPROXY is no list.
    #[error(transparent)]
    List(#[from] ListError),
    /// There is nothing in front of which to stand: the list begins with `off`, `direct` or a directory.
    #[error("GOPROXY names no server to ask")]
    NoServer,
    /// It cannot listen.
    #[error("listening at {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// Others than this machine's users would reach it.
    #[error("{0} is not an address of this machine alone: listen at 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// GOPROXY leads back here.
    #[error("GOPROXY names this proxy itself: give the list that stands behind it as --upstream")]
    Itself,
    /// The build cannot be watched, or the proxy not be started.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
    /// The store of its own cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The proxy in the background did not begin in time.
    #[error("the proxy did not begin")]
    NotReady,
}

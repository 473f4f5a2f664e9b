//! Why a proxy cannot start, or ends.

use std::io;
use std::net::SocketAddr;

use store::StoreError;

use crate::goproxy_list::ListError;

/// Why no proxy runs.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// `go env` failed.
    #[error("running `go env`: {0}; without a go command pass the list as --upstream, or in GOPROXY")]
    GoEnv(#[source] io::Error),
    /// GOPROXY cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// The list begins with `off`, `direct` or a directory: a proxy is of no use there.
    #[error("GOPROXY names no server to fetch from")]
    NoServer,
    /// It cannot listen.
    #[error("cannot listen at {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// Other machines could connect.
    #[error("{0} can be reached from other machines: listen at 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// GOPROXY leads back to this proxy.
    #[error("GOPROXY names this proxy itself: pass the list of its upstreams as --upstream")]
    Loop,
    /// A system call failed.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
    /// The embedded store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The proxy in the background did not listen in time.
    #[error("the proxy did not start")]
    NotReady,
}

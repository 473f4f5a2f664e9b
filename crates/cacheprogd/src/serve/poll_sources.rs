//! The sockets that the accept loop waits on, by name: its variant is what a source is for, never its place in a list.
//!
//! What is done with a ready source is in `accept_loop.rs`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::builds::build::Build;
use crate::error::CommandError;
use crate::http;
use crate::net::listeners::SocketRole;

/// What may be ready.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Signal(&'a SignalFd),
    Wake(&'a OwnedFd),
    Control(&'a UnixListener),
    Status(&'a UnixListener, SocketRole),
    Host(&'a UnixListener),
    Http(&'a http::Server),
    Build(Arc<Build>),
}

impl AsFd for Source<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Signal(signals) => signals.as_fd(),
            Self::Wake(wake) => wake.as_fd(),
            Self::Control(listener) | Self::Status(listener, _) | Self::Host(listener) => listener.as_fd(),
            Self::Http(http) => http.fd(),
            Self::Build(build) => build.listener.as_fd(),
        }
    }
}

/// Waits until one of the sources is ready, or so long. Those that are ready.
///
/// # Errors
/// Where the system does not wait.
pub(crate) fn wait(sources: Vec<Source<'_>>, longest: Duration) -> Result<Vec<Source<'_>>, CommandError> {
    let timeout = Timespec { tv_sec: longest.as_secs().cast_signed(), tv_nsec: longest.subsec_nanos().into() };
    let mut fds: Vec<_> = sources.iter().map(|source| PollFd::new(source, PollFlags::IN)).collect();
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(CommandError::System("waiting for connections", e.into())),
    }
    let ready: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    Ok(sources.into_iter().zip(ready).filter_map(|(source, is_ready)| is_ready.then_some(source)).collect())
}

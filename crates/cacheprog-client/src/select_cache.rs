//! Selects the cache that answers the go command: the store that the command line names, the daemon where there is a socket,
//! else the user's own store. Serves it, and then maintains the store that was used.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::FrameError;
use proto::gocmd::Requests;

use crate::daemon::session::DaemonCache;
use crate::environment::Environment;
use crate::gocmd::responder::Responder;
use crate::gocmd::serve::serve;
use crate::local::embedded_store::{EmbeddedStore, is_of_another_user};
use crate::local::figures::Figures;
use crate::local::maintenance::maintain_daily;
use crate::local::remote_store;

/// Bytes read from cmd/go at a time, and the largest piece of a body decoded at once.
const BUFFER: usize = 64 << 10;

/// The stores that the command line names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stores<'a> {
    pub(crate) store: Option<&'a Path>,
    /// Layers below it.
    pub(crate) lower: &'a [PathBuf],
    /// The URL of a remote one.
    pub(crate) remote: Option<&'a OsStr>,
}

/// Serves cmd/go on standard input and on `output` until it is done. With layers or a remote store the daemon is not asked.
pub(crate) fn run(
    output: File,
    Stores { store, lower, remote }: Stores<'_>,
    environment: &Environment,
) -> Result<(), FrameError> {
    let responder = Arc::new(Responder::start(output));
    // A pipe of 64 KiB holds a sixth of a median package; with a larger one cmd/go writes while this program works.
    let _size = rustix::pipe::fcntl_setpipe_size(std::io::stdin(), 1 << 20);
    let requests = Requests::new(BufReader::with_capacity(BUFFER, std::io::stdin().lock()));
    let socket = environment.socket.as_ref().filter(|_| lower.is_empty() && remote.is_none());
    let own = || environment.store.clone().filter(|dir| socket.is_none() && !is_of_another_user(dir, environment));
    let embedded = store.map(PathBuf::from).or_else(own);
    if embedded.is_some() || socket.is_none() {
        environment.warn_of_wrong_size();
    }
    if let (Some(url), Some(dir)) = (remote, &embedded) {
        remote_store::pull(url, dir, environment);
    }
    let figures = Arc::<Figures>::default();
    let local = |dir: &Path| EmbeddedStore::new((dir, lower), (responder.clone(), figures.clone()), environment);
    let served = match (&embedded, socket) {
        (Some(dir), _) => serve(requests, &responder, local(dir)),
        (None, Some(socket)) => serve(requests, &responder, DaemonCache::start(socket, &responder, environment)),
        // Without HOME and without a socket only the temporary directory is left.
        (None, None) => serve(requests, &responder, local(&environment.spool)),
    };
    responder.close(); // cmd/go continues
    embedded.iter().for_each(|dir| figures.note(dir, environment));
    // A sandbox's spool is removed with the sandbox.
    let spool = (!environment.is_sandbox()).then_some(&environment.spool);
    embedded.iter().chain(spool).for_each(|dir| maintain_daily(dir, environment));
    served
}

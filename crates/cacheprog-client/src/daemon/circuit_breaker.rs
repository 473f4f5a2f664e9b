//! A circuit breaker that the clients of a build share. Each client would wait a second for a daemon that accepts connections
//! and does not reply, and a build starts hundreds of clients: the first one that waited in vain opens the breaker.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;

/// How long the breaker stays open. A client keeps trying to reach the daemon in the background meanwhile.
const OPEN: Duration = Duration::from_secs(10);

/// A file beside the spool, in the build's own cache directory. Its mtime is when the breaker was opened.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    file: PathBuf,
}

impl CircuitBreaker {
    pub(super) fn new(spool: &Path) -> Self {
        Self { file: spool.with_extension("silence") }
    }

    /// The daemon did not reply in time. If the file cannot be written, the next client waits as well.
    pub(super) fn open(&self) {
        drop(File::create(&self.file).and_then(|file| file.set_modified(clock::now())));
    }

    /// The daemon replied.
    pub(super) fn close(&self) {
        drop(fs::remove_file(&self.file));
    }

    pub(super) fn is_open(&self) -> bool {
        let opened = fs::metadata(&self.file).and_then(|m| m.modified());
        opened.is_ok_and(|opened| clock::now().duration_since(opened).is_ok_and(|age| age < OPEN))
    }
}

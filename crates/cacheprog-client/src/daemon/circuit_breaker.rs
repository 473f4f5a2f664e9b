//! What the clients of a build tell each other of a daemon that accepts connections and says nothing: each would wait for
//! a second, and a build starts hundreds of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;

/// How long a note counts. In the meantime the daemon is tried in the background all the same.
const RECENT: Duration = Duration::from_secs(10);

/// A note in the build's own cache directory.
#[derive(Debug)]
pub(crate) struct Silence {
    note: PathBuf,
}

impl Silence {
    pub(crate) fn new(spool: &Path) -> Self {
        Self { note: spool.with_extension("silence") }
    }

    /// The daemon was waited for in vain. Where this cannot be noted, the next client waits as well.
    pub(crate) fn note(&self) {
        drop(File::create(&self.note).and_then(|file| file.set_modified(clock::now())));
    }

    /// The daemon is there again.
    pub(crate) fn is_over(&self) {
        drop(fs::remove_file(&self.note));
    }

    pub(crate) fn is_recent(&self) -> bool {
        let noted = fs::metadata(&self.note).and_then(|m| m.modified());
        noted.is_ok_and(|noted| clock::now().duration_since(noted).is_ok_and(|age| age < RECENT))
    }
}

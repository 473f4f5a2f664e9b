//! The last builds that ended, kept over restarts in one small file.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use proto::control::BuildStatus;

/// Ended builds to remember: what `cacheprogctl status` shows; 50 KB on disk.
pub(crate) const LENGTH: usize = 100;

#[derive(Debug)]
pub(crate) struct History {
    path: PathBuf,
    ended: VecDeque<BuildStatus>,
}

impl History {
    /// Reads what is there. A damaged file is an empty history: it is only for looking at.
    pub(crate) fn load(state_dir: &Path) -> Self {
        let path = state_dir.join("history.json");
        let ended = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, ended }
    }

    /// Adds a build, the latest first, and returns the file's path and new content, to be written without a lock.
    pub(crate) fn push(&mut self, build: BuildStatus) -> (PathBuf, Vec<u8>) {
        self.ended.push_front(build);
        self.ended.truncate(LENGTH);
        (self.path.clone(), serde_json::to_vec(&self.ended).unwrap_or_default())
    }

    pub(crate) fn ended(&self) -> Vec<BuildStatus> {
        self.ended.iter().cloned().collect()
    }
}

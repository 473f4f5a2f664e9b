//! The last builds that ended, with their counts, kept over restarts in one small file.
//!
//! The registry adds to it; live builds are not here.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use proto::control::BuildStatus;

use crate::limits::HISTORY;

/// The ended builds, the latest first.
#[derive(Debug)]
pub(crate) struct History {
    path: PathBuf,
    ended: VecDeque<BuildStatus>,
}

impl History {
    /// Reads the file. A damaged file is an empty history: nothing but what is shown depends on it.
    pub(crate) fn load(state_dir: &Path) -> Self {
        let path = state_dir.join("history.json");
        let bytes = fs::read(&path).unwrap_or_default();
        Self::parse(path, &bytes)
    }

    /// The content of the file at `path`.
    pub(crate) fn parse(path: PathBuf, bytes: &[u8]) -> Self {
        Self { path, ended: serde_json::from_slice(bytes).unwrap_or_default() }
    }

    /// Adds a build, the latest first, and returns the file's path and new content, to be written without a lock.
    pub(crate) fn push(&mut self, build: BuildStatus) -> (PathBuf, Vec<u8>) {
        self.ended.push_front(build);
        self.ended.truncate(HISTORY);
        (self.path.clone(), serde_json::to_vec(&self.ended).unwrap_or_default())
    }

    pub(crate) fn ended(&self) -> Vec<BuildStatus> {
        self.ended.iter().cloned().collect()
    }
}

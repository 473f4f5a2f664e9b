//! The queue of names of builds of which something is to be put: a file for each, so that it lasts over restarts.
//! For how long a name waits at most, upload.rs decides.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::id::hex;
use sha2::{Digest, Sha256};
use store::{Store, keep_newest};

use super::kept_file;
use crate::limits::UPLOADS;

/// See the file's header.
#[derive(Debug)]
pub(super) struct Queue(PathBuf);

impl Queue {
    pub(super) fn new(store: &Store) -> Self {
        Self(store.root().join("remote").join("uploads"))
    }

    /// Adds a name. One that waits already waits from now on. Of too many the oldest go.
    pub(super) fn add(&self, store: &Store, name: &str) {
        let file = self.0.join(hex(&Sha256::digest(name)[..16]));
        let written = kept_file::write(store, &file, name.as_bytes());
        let kept = written.and_then(|()| keep_newest(&self.0, UPLOADS, u64::MAX).map_err(|e| e.to_string()));
        kept.unwrap_or_else(|e| log::warn!("{}: {e}: what {name} used is not put", self.0.display()));
    }

    /// Those that wait, the oldest first.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let of = |entry: DirEntry| Some(Waiting { since: entry.metadata().ok()?.modified().ok()?, file: entry.path() });
        let mut waiting: Vec<_> = entries.filter_map(of).collect();
        waiting.sort();
        waiting
    }
}

/// A name that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    pub(super) since: SystemTime,
    file: PathBuf,
}

impl Waiting {
    /// The builds' name, without a version.
    pub(super) fn name(&self) -> String {
        fs::read_to_string(&self.file).unwrap_or_default()
    }

    /// It was put, or is given up. One that was added again meanwhile stays.
    pub(super) fn remove(&self) {
        if modified(&self.file) == Some(self.since) {
            drop(fs::remove_file(&self.file)); // what stays is put once more
        }
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Access;

    #[test]
    fn names_wait_until_they_are_removed_and_one_that_is_added_again_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Access::Owner).unwrap();
        let queue = Queue::new(&store);
        assert_eq!(queue.waiting(), []);
        ["one", "other", "one"].iter().for_each(|name| queue.add(&store, name));
        let mut names: Vec<_> = queue.waiting().iter().map(Waiting::name).collect();
        names.sort();
        assert_eq!(names, ["one", "other"]);
        let waiting = queue.waiting();
        let one = waiting.iter().find(|waiting| waiting.name() == "one").unwrap();
        let later = one.since + std::time::Duration::from_secs(60);
        fs::File::options().write(true).open(&one.file).unwrap().set_modified(later).unwrap();
        waiting.iter().for_each(Waiting::remove);
        assert_eq!(queue.waiting().iter().map(Waiting::name).collect::<Vec<_>>(), ["one"]);
    }
}

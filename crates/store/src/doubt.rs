//! What may not have reached the disk when a machine or a daemon stopped without warning.
//!
//! ```text
//! doubt     the inode of the store's directory, then spans of time, a line each: what was made then is read before it is
//!           served, unless it was read since. In a copy of the store, where times of making say nothing, all is doubted.
//! synced    seconds since 1970: what was written before is on the disk
//! boot      the kernel's id of the boot in which the store was last opened (one that no daemon has for itself)
//! ```

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::object::Doubt;
use crate::{Store, StoreError};

/// A file is made before its bytes are written, as long as a body of 4 GiB takes, in seconds; and clocks are set.
const MARGIN: u64 = 300;

/// Spans that are remembered.
const MOST: usize = 100;

impl Store {
    /// What was made in one of these spans of time (seconds since 1970, both ends included) may not have reached the disk: it is
    /// read before it is served.
    #[must_use]
    pub fn doubting(mut self, spans: Vec<(u64, u64)>) -> Self {
        self.layout.set_doubt(Doubt::of(spans));
        self
    }

    /// Doubts what was doubted before, and, where the last stop was `unclean`, what was made since the last sync.
    /// [`Store::save_doubts`] writes it down.
    #[must_use]
    pub fn doubting_again(self, unclean: bool, now: SystemTime) -> Self {
        let mut spans = read(self.root());
        if unclean {
            spans.push(span(read_number(&self.root().join("synced")).unwrap_or(0), seconds(now)));
        }
        self.doubting(merged(spans))
    }

    /// Writes down what is doubted, for the next process.
    ///
    /// # Errors
    /// A [`StoreError`] where the file cannot be written.
    pub fn save_doubts(&self) -> Result<(), StoreError> {
        let spans = self.layout.doubt().spans();
        let mut text = format!("{}\n", inode(self.root()).unwrap_or(0));
        spans.iter().for_each(|(since, until)| text += &format!("{since} {until}\n"));
        self.write_file(&self.root().join("doubt"), text.as_bytes())
    }

    /// Doubts, in a store that no daemon has for itself, what was made before this boot and after the last sync: nobody knows
    /// how the machine went down. The second value is an error where that could not be written down: the next process does
    /// it again, and nothing may be said to be synced before it succeeded.
    pub fn doubting_since_boot(self, boot: &str, now: SystemTime) -> (Self, Result<(), StoreError>) {
        let path = self.root().join("boot");
        let is_new_boot = fs::read_to_string(&path).map_or(true, |known| known != boot);
        let is_unclean = is_new_boot && !self.is_new();
        let store = self.doubting_again(is_unclean, now);
        let saved = if is_unclean { store.save_doubts() } else { Ok(()) };
        let noted = saved.and_then(|()| if is_new_boot { store.write_file(&path, boot.as_bytes()) } else { Ok(()) });
        (store, noted)
    }

    /// Waits until all that was written before is on the disk, and writes down that it is. `now` is from before.
    ///
    /// # Errors
    /// A [`StoreError`] where the disk refuses.
    pub fn sync(&self, now: SystemTime) -> Result<(), StoreError> {
        let root = self.root();
        let synced = fs::File::open(root).and_then(|dir| Ok(rustix::fs::syncfs(dir)?));
        synced.map_err(StoreError::at("syncing", root))?;
        self.write_file(&root.join("synced"), format!("{}\n", seconds(now)).as_bytes())
    }

    /// Whether nothing was ever stored here.
    #[must_use]
    pub fn is_new(&self) -> bool {
        fs::read_dir(self.layout.objects()).is_ok_and(|mut entries| entries.next().is_none())
    }
}

/// From the last sync until now. A clock that went back, or is not set yet, says nothing.
fn span(synced: u64, now: u64) -> (u64, u64) {
    if now < synced { (0, u64::MAX) } else { (synced.saturating_sub(MARGIN), now) }
}

/// Spans that overlap as one; of more than can be kept the oldest as one.
fn merged(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (since, until) in spans {
        match all.last_mut() {
            Some(last) if since <= last.1 => last.1 = last.1.max(until),
            _ => all.push((since, until)),
        }
    }
    while all.len() > MOST {
        let (first, second) = (all[0], all.remove(1));
        all[0] = (first.0, second.1);
    }
    all
}

/// What was doubted before: an object that nobody asked for since was not read. What cannot be read is everything.
fn read(root: &Path) -> Vec<(u64, u64)> {
    const EVERYTHING: (u64, u64) = (0, u64::MAX);
    let span = |line: &str| line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match fs::read_to_string(root.join("doubt")) {
        Ok(text) => match text.split_once('\n') {
            Some((of, spans)) if of.parse().ok() == inode(root) => {
                spans.lines().map(|line| span(line).unwrap_or(EVERYTHING)).collect()
            }
            _ => vec![EVERYTHING],
        },
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(_) => vec![EVERYTHING],
    }
}

fn inode(root: &Path) -> Option<u64> {
    fs::metadata(root).ok().map(|m| m.ino())
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_merged_and_none_is_lost() {
        assert_eq!(merged(vec![(50, 60), (10, 20), (15, 30)]), [(10, 30), (50, 60)]);
        let many = merged((0..500).map(|n| (n * 10, n * 10 + 5)).collect());
        assert_eq!(many.len(), MOST);
        assert_eq!((many[0].0, many[MOST - 1]), (0, (4990, 4995)));
        assert_eq!(span(1000, 2000), (700, 2000));
        assert_eq!(span(1000, 999), (0, u64::MAX));
    }
}

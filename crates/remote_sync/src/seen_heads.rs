//! What is remembered of a remote store, in the directory `remote` of the local one: the highest counter of each head, so that no older one
//! is taken, and indexes, which never change.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use remote::content_hash::ContentHash;
use remote::limits;
use store::{Store, StoreError};

/// Heads whose counters are kept, and indexes with their bytes. Of more than so many the oldest are forgotten.
const HEADS: usize = 10_000;
const INDEXES: usize = 64;
const INDEX_BYTES: u64 = 64 << 20;

/// Makes a directory that its owner alone can enter.
///
/// # Errors
/// What the system answers.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// See the file's header.
#[derive(Debug)]
pub(crate) struct State<'a> {
    store: &'a Store,
    dir: PathBuf,
}

impl<'a> State<'a> {
    pub(crate) fn new(store: &'a Store) -> io::Result<Self> {
        let dir = store.root().join("remote");
        make_dir(&dir.join("indexes"))?;
        Ok(Self { store, dir })
    }

    /// The highest counter that was seen of a head.
    pub(crate) fn seen(&self, head: &str) -> u64 {
        self.counters().get(head).copied().unwrap_or(0)
    }

    /// A head with this counter was read or written.
    pub(crate) fn note(&self, head: &str, counter: u64) -> Result<(), StoreError> {
        if self.seen(head) >= counter {
            return Ok(());
        }
        // Prefetches and an upload run at once, and other processes. On a file system without locks one of two that end at once may be lost.
        let only_one = File::open(&self.dir).map_err(StoreError::at("opening", &self.dir))?;
        drop(only_one.lock());
        let mut counters = self.counters();
        let known = counters.entry(head.to_owned()).or_default();
        if *known >= counter {
            return Ok(());
        }
        *known = counter;
        if counters.len() > HEADS {
            let mut all: Vec<_> = counters.into_iter().collect();
            all.sort_by_key(|(_, counter)| std::cmp::Reverse(*counter)); // they are made of times
            counters = all.into_iter().take(HEADS).collect();
        }
        let text: String = counters.iter().map(|(head, counter)| format!("{counter} {head}\n")).collect();
        self.store.write_file(&self.dir.join("counters"), text.as_bytes())
    }

    /// An index that was fetched before.
    pub(crate) fn index(&self, hash: &ContentHash) -> Option<Vec<u8>> {
        let bytes = fs::read(self.dir.join("indexes").join(hash.hex())).ok()?;
        (bytes.len() <= limits::INDEX && ContentHash::of(&bytes) == *hash).then_some(bytes)
    }

    /// Keeps an index. Where that fails, it is fetched again.
    pub(crate) fn keep_index(&self, hash: &ContentHash, bytes: &[u8]) {
        let dir = self.dir.join("indexes");
        if let Err(e) = self.store.write_file(&dir.join(hash.hex()), bytes) {
            log::debug!("{}: {e}", dir.display());
        }
        drop(store::keep_newest(&dir, INDEXES, INDEX_BYTES)); // the next one tries again
    }

    /// What cannot be read counts as never seen, as it does on a new machine.
    fn counters(&self) -> BTreeMap<String, u64> {
        let text = fs::read_to_string(self.dir.join("counters")).unwrap_or_default();
        let line = |line: &str| {
            line.split_once(' ').and_then(|(counter, head)| Some((head.to_owned(), counter.parse().ok()?)))
        };
        text.lines().filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use store::Access;

    #[test]
    fn counters_that_are_noted_at_once_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Access::Owner).unwrap();
        let note = |n: u64| {
            let state = State::new(&store).unwrap();
            (1..=20).for_each(|counter| state.note(&format!("h/{n}"), counter).unwrap());
        };
        thread::scope(|scope| (0..8).for_each(|n| drop(scope.spawn(move || note(n)))));
        let state = State::new(&store).unwrap();
        assert_eq!((0..8).map(|n| state.seen(&format!("h/{n}"))).collect::<Vec<_>>(), [20; 8]);
    }
}

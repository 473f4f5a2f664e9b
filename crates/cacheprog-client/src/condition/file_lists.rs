//! The lists of files that a go command has read: each is looked at again when it is needed in a later batch, and read again where
//! something changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::clock;

use super::budget::Budget;
use super::escapes::top_directories;
use super::excluded::Excluded;
use super::files::{FileList, Looking, Memo, Rule, read_list};

/// How often a scope is read that could not be read: a file that changed meanwhile may be the same the next time.
const TRIES: u32 = 3;

/// Most entries of all lists in memory, of some 120 bytes each. Beyond, only the newest list is kept there; the others are in the
/// memo.
const MOST_ENTRIES: usize = 60_000;

/// See the file's header.
#[derive(Debug)]
pub(crate) struct FileLists {
    pub(crate) excluded: Excluded,
    top: Vec<Vec<u8>>,
    memo: Option<Memo>,
    lists: HashMap<(PathBuf, Rule), Look>,
    /// Counts the batches.
    batch: u64,
}

#[derive(Debug, Default)]
struct Look {
    list: Option<FileList>,
    /// The batch in which it was looked at.
    batch: Option<u64>,
    failures: u32,
}

impl FileLists {
    pub(crate) fn new(excluded: Excluded, tree: Option<&Path>, memo: Option<PathBuf>) -> Self {
        let top = top_directories(tree);
        Self { excluded, top, memo: memo.map(Memo::new), lists: HashMap::new(), batch: 0 }
    }

    /// From now on lists are looked at again.
    pub(crate) fn forget(&mut self) {
        self.batch += 1;
    }

    /// The files below `root`, a real path, as they are now. `None` where they cannot be told.
    pub(crate) fn list(&mut self, root: &Path, rule: Rule) -> Option<&FileList> {
        let key = (root.to_owned(), rule);
        let mut look = self.lists.remove(&key).unwrap_or_default();
        if look.batch != Some(self.batch) {
            look.batch = Some(self.batch);
            self.update(root, rule, &mut look);
        }
        self.make_room(look.list.as_ref().map_or(0, FileList::len));
        self.lists.entry(key).or_insert(look).list.as_ref()
    }

    fn update(&self, root: &Path, rule: Rule, look: &mut Look) {
        let load = || self.memo.as_ref().and_then(|memo| memo.load(root, rule, &self.excluded));
        let known = look.list.take().or_else(load);
        if known.as_ref().is_some_and(|list| list.is_current(&self.excluded)) {
            look.list = known;
        } else if look.failures < TRIES && !self.is_too_large(root, rule) {
            look.list = self.read(root, rule, known.as_ref(), &mut look.failures);
        }
    }

    fn is_too_large(&self, root: &Path, rule: Rule) -> bool {
        self.memo.as_ref().is_some_and(|memo| memo.is_too_large(root, rule, &self.excluded, clock::now()))
    }

    fn read(&self, root: &Path, rule: Rule, known: Option<&FileList>, failures: &mut u32) -> Option<FileList> {
        let mut budget = Budget::new();
        let looking = Looking { rule, excluded: &self.excluded, top: &self.top };
        let list = read_list(root, looking, known, &mut budget);
        match (&list, &self.memo) {
            (Some(list), Some(memo)) => memo.keep(list, &self.excluded),
            (None, Some(memo)) if budget.is_spent() => memo.keep_too_large(root, rule, &self.excluded),
            _ => {}
        }
        if list.is_none() {
            *failures = if budget.is_spent() { TRIES } else { *failures + 1 };
        }
        list
    }

    fn make_room(&mut self, wanted: usize) {
        let known: usize = self.lists.values().filter_map(|look| look.list.as_ref()).map(FileList::len).sum();
        if known + wanted > MOST_ENTRIES {
            self.lists.clear();
        }
    }

    /// The directories of `/` whose names are looked for in texts.
    pub(crate) fn top(&self) -> &[Vec<u8>] {
        &self.top
    }
}

//! The lists of files that a go command has read: each is looked at again when it is needed in a later batch, and read again where
//! something changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;

use super::budget::{Budget, Spent};
use super::escapes::{Names, top_directories};
use super::excluded::Excluded;
use super::files::{FileList, LookedAt, Looking, Memo, Rule, read_list};
use super::setting::Setting;

/// How often a scope is read that could not be read: a file that changed meanwhile may be the same the next time.
const TRIES: u32 = 3;

/// A look that runs out of time has to read one file of so many, for the next go command to try again: it goes on after at most a
/// few dozen.
const GAIN: usize = 10;

/// Most entries of all lists in memory, of some 120 bytes each. Beyond, only the newest list is kept there; the others are in the
/// memo.
const MOST_ENTRIES: usize = 60_000;

/// See the file's header.
#[derive(Debug)]
pub(crate) struct FileLists {
    pub(crate) excluded: Excluded,
    names: Names,
    memo: Option<Memo>,
    look_time: Duration,
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
    pub(crate) fn new(excluded: Excluded, tree: Option<&Path>, setting: &Setting) -> Self {
        let (memo, look_time) = (setting.memo.clone().map(Memo::new), setting.look_time);
        let (left_out, programs) = excluded.directories();
        let (left_out, programs) = (left_out.to_owned(), programs.to_owned());
        let names = Names { top: top_directories(tree), left_out, programs };
        Self { excluded, names, memo, look_time, lists: HashMap::new(), batch: 0 }
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
        let mut budget = Budget::new(self.look_time);
        let looking = Looking { rule, excluded: &self.excluded, names: &self.names };
        let LookedAt { list, read } = read_list(root, looking, known, &mut budget);
        if let Some(memo) = &self.memo {
            // With a cold disk the next go command goes on from here. Where it would gain little, it is the one after some minutes.
            let is_of_use = list.is_whole || budget.spent() == Some(Spent::Time);
            let is_kept = is_of_use && memo.keep(&list, &self.excluded);
            let gains = is_kept && read * GAIN >= list.len();
            if budget.spent().is_some() && !gains {
                memo.keep_too_large(root, rule, &self.excluded);
            }
        }
        if !list.is_whole {
            *failures = if budget.spent().is_some() { TRIES } else { *failures + 1 };
        }
        Some(list).filter(|list| list.is_whole)
    }

    fn make_room(&mut self, wanted: usize) {
        let known: usize = self.lists.values().filter_map(|look| look.list.as_ref()).map(FileList::len).sum();
        if known + wanted > MOST_ENTRIES {
            self.lists.clear();
        }
    }

    /// What is looked for in texts.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::tree_fixture::TestTree;

    #[test]
    fn a_look_that_gains_little_is_not_tried_again_for_some_minutes() {
        let tree = TestTree::new(&[("src/a.h", "1"), ("memo/x", "")]);
        let root = tree.path("src").canonicalize().unwrap();
        let lists = |look_time| {
            let setting = Setting { memo: Some(tree.path("memo")), look_time, ..tree.setting("src", &[]) };
            FileLists::new(Excluded::default(), None, &setting)
        };
        let enough = Duration::from_secs(60);
        assert!(lists(enough).list(&root, Rule::Module).is_some());
        tree.write("src/a.h", "22");
        assert!(lists(Duration::ZERO).list(&root, Rule::Module).is_none());
        assert!(lists(enough).list(&root, Rule::Module).is_none(), "it is not tried");
        assert!(lists(enough).list(&root, Rule::Tree).is_some(), "another scope is");
    }
}

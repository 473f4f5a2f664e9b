//! The entries that the go command was given. It may put more entries of the same package later: the generated sources, for vet.

use std::collections::HashMap;
use std::sync::Mutex;

use proto::ActionId;

use crate::mutex::lock;

/// Limit of remembered hits, of some 150 bytes each: `go build std cmd` has 3,000. What is put beside a later one is private.
const MAX_HITS: usize = 8192;

/// Hits, with the paths of their files.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// Held for one look-up.
    paths: Mutex<HashMap<ActionId, Box<str>>>,
}

impl Hits {
    /// Remembers a hit. Whether it is the first one of its action.
    pub(crate) fn remember(&self, action: ActionId, path: &str) -> bool {
        let mut paths = lock(&self.paths);
        if paths.len() < MAX_HITS { paths.insert(action, path.into()).is_none() } else { !paths.contains_key(&action) }
    }

    /// All of them. They are forgotten here.
    pub(crate) fn take(&self) -> HashMap<ActionId, Box<str>> {
        std::mem::take(&mut *lock(&self.paths))
    }
}

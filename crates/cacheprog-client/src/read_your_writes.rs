//! Read your writes: what this process put, it finds again whatever became of the daemon (`go list -compiled` fails
//! without, docs/facts/go.md, "What fails a go command").

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use proto::ActionId;
use proto::gocmd::Hit;

use crate::locks::lock;

/// Puts remembered, of some 250 bytes each: `go build std` makes 1,500 (docs/facts/go.md, "Traffic"). What is put beyond is
/// found through the daemon or the spool.
const MOST: usize = 8192;

/// The puts of this process.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Held for one look-up.
    puts: Mutex<HashMap<ActionId, Hit>>,
}

impl Own {
    pub(crate) fn remember(&self, action: ActionId, hit: Hit) {
        let mut puts = lock(&self.puts);
        if puts.len() < MOST || puts.contains_key(&action) {
            puts.insert(action, hit);
        }
    }

    pub(crate) fn find(&self, action: &ActionId) -> Option<Hit> {
        let hit = lock(&self.puts).get(action).cloned();
        hit.filter(is_there)
    }
}

/// Whether the file is there as cmd/go will see it: a hit whose file is missing is a miss to it, one whose file has
/// another size ends some commands.
pub(crate) fn is_there(hit: &Hit) -> bool {
    fs::metadata(Path::new(&hit.path)).is_ok_and(|m| m.is_file() && m.len() == hit.size)
}

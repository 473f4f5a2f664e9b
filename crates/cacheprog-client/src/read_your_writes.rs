//! Read your writes: this process finds again what it put, whatever happens to the daemon meanwhile. `go list -compiled` fails
//! otherwise (docs/facts/go.md, "What fails a go command").

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use proto::ActionId;
use proto::gocmd::Hit;

use crate::mutex::lock;

/// Limit of remembered puts, of some 250 bytes each: `go build std` makes 1,500 (docs/facts/go.md, "Traffic"). Later puts are
/// found through the daemon or the spool.
const MAX_PUTS: usize = 8192;

/// The puts of this process.
#[derive(Debug, Default)]
pub(crate) struct ReadYourWrites {
    /// Held for one look-up.
    puts: Mutex<HashMap<ActionId, Hit>>,
}

impl ReadYourWrites {
    pub(crate) fn remember(&self, action: ActionId, hit: Hit) {
        let mut puts = lock(&self.puts);
        if puts.len() < MAX_PUTS || puts.contains_key(&action) {
            puts.insert(action, hit);
        }
    }

    pub(crate) fn find(&self, action: &ActionId) -> Option<Hit> {
        let hit = lock(&self.puts).get(action).cloned();
        hit.filter(is_there)
    }
}

/// Whether the file of a hit exists and has its size. For cmd/go a hit whose file is missing is a miss, but one whose file has
/// another size ends some commands.
pub(crate) fn is_there(hit: &Hit) -> bool {
    fs::metadata(Path::new(&hit.path)).is_ok_and(|m| m.is_file() && m.len() == hit.output.size)
}

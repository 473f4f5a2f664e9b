//! A store with a build that has a table.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use proto::wire::Toolchain;
use proto::{ActionId, BuildId, Output};
use store::{Access, Put, Replaces, Store, View};

use crate::output;

/// Makes a store in `dir` with this body for an action, and a build whose table has it, for go commands with this toolchain. Returns the output, and
/// the directory that the build sees.
#[must_use]
pub fn build_with_table(dir: &Path, toolchain: &Toolchain, action: ActionId, body: &[u8]) -> (Output, PathBuf) {
    let store = Store::open(dir, Access::Owner).unwrap();
    let view = View::common(toolchain);
    let output = Output { id: output(body), size: body.len() as u64 };
    let mut staged = store.stage(output, &mut &*body, &mut Vec::new()).unwrap();
    let (origin, time) = (view.origin(None, ""), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let put = Put { action, time, cost_ms: 0, origin: &origin, condition: None, replaces: Replaces::Nothing };
    store.put(&view, &put, &mut staged).unwrap();
    let record = store.get(&view, &action, time).unwrap().plain.unwrap();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    let mut table = build.begin_table([3; 32]).unwrap();
    assert!(table.add(action, &record));
    table.finish([4; 32], toolchain, &HashSet::new()).unwrap();
    (output, build.view())
}

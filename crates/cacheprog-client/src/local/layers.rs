//! The layers below the embedded store, as the command line names them: what they have of an action. Nothing is written to them.

use std::path::PathBuf;

use proto::error::with_causes;
use proto::{ActionId, Condition};
use store::{Layer, Record, Store, View};

use crate::environment::{Environment, is_one_line, print_error};

use super::entry::Entry;
use super::path_for_go::path_for_go;
use super::vet_output;

/// One of them.
#[derive(Debug)]
pub(crate) struct LowerLayer {
    layer: Layer,
    /// Its directory as it is named to cmd/go.
    path_for_go: String,
}

/// Opens those that can be used, in their order. A name that leads to no layer is printed: it is wrong, or nothing was restored
/// there. That a layer is for another toolchain is usual, and is printed where that is wanted.
pub(crate) fn open(dirs: &[PathBuf], environment: &Environment) -> Vec<LowerLayer> {
    let view = View::common(&environment.toolchain).trusting(environment.signers.clone());
    let open = |dir: &PathBuf| {
        let refused = |why: &str| format!("not using the layer {}: {why}", dir.display());
        let layer = Layer::open(dir).map_err(|e| print_error(&refused(&with_causes(&e)))).ok()?;
        if !is_one_line(layer.root()) {
            print_error(&refused("its path is not a single line of UTF-8 text"));
            return None;
        }
        if !layer.has(&view) {
            environment.log(&refused(&format!("it has nothing of the toolchain {}", environment.toolchain.goroot)));
            return None;
        }
        let path_for_go = path_for_go(layer.root(), environment.gocache.as_deref());
        Some(LowerLayer { layer, path_for_go })
    };
    dirs.iter().filter_map(open).collect()
}

impl LowerLayer {
    /// What a go command may take, if it takes what has no condition; else what it may take under conditions, the newest first.
    pub(crate) fn find(
        &self,
        view: &View,
        action: &ActionId,
        takes_plain: bool,
    ) -> (Option<Entry>, Vec<(Condition, Entry)>) {
        let found = self.layer.get(view, action);
        let plain = found.plain.as_ref().filter(|_| takes_plain).and_then(|record| self.entry(record));
        if plain.is_some() {
            return (plain, Vec::new());
        }
        let candidate = |record: &Record| {
            let condition = record.condition.clone()?;
            let beside = || self.layer.get(view, &action.subkey("stdout")).conditional;
            let is_complete = vet_output::is_complete(&condition, beside, |record| self.entry(record).is_some());
            is_complete.then_some(())?;
            Some((condition, self.entry(record)?))
        };
        (None, found.conditional.iter().filter_map(candidate).collect())
    }

    fn entry(&self, record: &Record) -> Option<Entry> {
        self.layer.object(record.output)?;
        let path = format!("{}/{}", self.path_for_go, Store::object_name(&record.output.id));
        Some(Entry::of(record, path))
    }
}

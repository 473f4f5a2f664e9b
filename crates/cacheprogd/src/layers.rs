//! The layers of the settings. What one of them has of an action, and the store has not, is copied into the store for all users: the
//! administrator, who names a layer, vouches for it. From then on it is an entry as any other.
//!
//! A layer is only read. What is copied is checked on the way, as the body of a put is. When a layer is asked, session/handler/lookup.rs
//! decides.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use proto::control::LayerStatus;
use proto::error::with_causes;
use proto::{ActionId, Output, OutputId, scopes};
use settings::LayerDir;
use store::{
    BoundedMap, CONDITIONS_KEPT, Found, Layer, Origin, Published, Put, Record, Replaces, StageError, Store, StoreError,
    View,
};

use crate::mutex::lock;

/// The layers, in the order of the settings.
#[derive(Debug)]
pub(crate) struct Layers {
    store: Arc<Store>,
    /// Of all that is copied.
    origin: Origin,
    layers: Vec<NamedLayer>,
}

#[derive(Debug)]
struct NamedLayer {
    dir: PathBuf,
    /// Or why it is not used.
    layer: Result<Layer, String>,
    copied: AtomicU64,
    damaged: AtomicU64,
    /// Actions of which it has something that is damaged: they are not asked for again. Guards nothing else; held for one look or
    /// insert.
    damaged_actions: Mutex<BoundedMap<()>>,
}

/// What became of what the layers have of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// They have nothing that the store lacks.
    Nothing,
    /// Something is in the store now.
    Some,
    /// This is too large to be read now.
    TooLarge(Output),
}

impl Layers {
    /// Opens them. One that cannot be used is left out, and the log has the reason.
    pub(crate) fn open(store: Arc<Store>, dirs: &[LayerDir]) -> Self {
        Self { store, origin: Origin::of_layer(), layers: dirs.iter().map(NamedLayer::open).collect() }
    }

    /// Copies what the layers have of an action and the store has not. Nothing takes the place of what the store has, and of an action
    /// that has something in quarantine nothing is copied. At an object of more than `most` bytes it stops. `view` is that of all users.
    ///
    /// # Errors
    /// A [`StoreError`] where the store cannot be written.
    pub(crate) fn copy(
        &self,
        view: &View,
        action: &ActionId,
        (now, most): (SystemTime, u64),
    ) -> Result<Copied, StoreError> {
        let mut copied = Copied::Nothing;
        for layer in &self.layers {
            let found = layer.get(view, action);
            if found.is_empty() {
                continue;
            }
            // A record that is damaged is replaced.
            let known = self.store.get(view, action, now).unwrap_or_default();
            let (is_quarantined, known) = (known.is_quarantined, records(known));
            let mut places = CONDITIONS_KEPT.saturating_sub(known.len());
            for record in records(found) {
                let is_in_store = known.iter().any(|one| one.condition == record.condition && self.has(one.output));
                if is_quarantined || is_in_store || places == 0 {
                    continue;
                }
                if record.output.size > most {
                    return Ok(Copied::TooLarge(record.output));
                }
                // What vet found is no answer without what it printed.
                if record.condition.as_ref().is_some_and(|condition| condition.scope == scopes::VET)
                    && let Copied::TooLarge(output) = self.copy(view, &action.subkey("stdout"), (now, most))?
                {
                    return Ok(Copied::TooLarge(output));
                }
                places -= 1;
                if self.copy_record(layer, (view, action, now), &record)? {
                    copied = Copied::Some;
                }
            }
        }
        Ok(copied)
    }

    /// Entries that were copied.
    pub(crate) fn copied(&self) -> u64 {
        self.layers.iter().map(|layer| layer.copied.load(Relaxed)).sum()
    }

    /// What the status has of them.
    pub(crate) fn status(&self) -> Vec<LayerStatus> {
        self.layers.iter().map(NamedLayer::status).collect()
    }

    /// Whether the store has this object, as far as its size shows. One that is damaged was removed when it was looked at.
    fn has(&self, output: Output) -> bool {
        let object = self.store.root().join(Store::object_name(&output.id));
        object.symlink_metadata().is_ok_and(|about| about.len() == output.size)
    }

    /// Whether it is in the store now.
    fn copy_record(
        &self,
        layer: &NamedLayer,
        (view, action, time): (&View, &ActionId, SystemTime),
        record: &Record,
    ) -> Result<bool, StoreError> {
        let object = layer.layer.as_ref().ok().and_then(|layer| layer.open_object(&record.output.id));
        let staged = object.map(|mut object| self.store.stage(record.output, &mut object, &mut Vec::new()));
        let mut body = match staged {
            Some(Ok(body)) if body.kind() == record.kind => body,
            Some(Err(StageError::Store(e))) => return Err(e),
            None | Some(Ok(_) | Err(StageError::Body(_) | StageError::Length(_) | StageError::Digest)) => {
                layer.note_damage(action, &record.output.id);
                return Ok(false);
            }
        };
        let put = Put {
            action: *action,
            time,
            // What it cost to compute is not known: a hit is not said to save it, and it is cheap to have again.
            cost_ms: 0,
            origin: &self.origin,
            condition: record.condition.as_ref(),
            replaces: Replaces::Nothing,
        };
        let published = self.store.put(view, &put, &mut body)?;
        layer.copied.fetch_add(u64::from(published == Published::New), Relaxed);
        Ok(matches!(published, Published::New | Published::Again | Published::Outranks(_)))
    }
}

impl NamedLayer {
    fn open(dir: &LayerDir) -> Self {
        let dir = dir.path().to_owned();
        let layer = Layer::open(&dir).map_err(|e| with_causes(&e));
        match &layer {
            Ok(_) => log::info!("using the layer {}", dir.display()),
            Err(why) => log::warn!("not using the layer {}: {why}", dir.display()),
        }
        let (copied, damaged) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { dir, layer, copied, damaged, damaged_actions: Mutex::default() }
    }

    fn get(&self, view: &View, action: &ActionId) -> Found {
        let Ok(layer) = &self.layer else { return Found::default() };
        let found = layer.get(view, action);
        let is_known_damage = !found.is_empty() && lock(&self.damaged_actions).get(action).is_some();
        if is_known_damage { Found::default() } else { found }
    }

    /// One line in the log, however much is damaged; the others are counted.
    fn note_damage(&self, action: &ActionId, output: &OutputId) {
        lock(&self.damaged_actions).insert(*action, ());
        let what = format!("{}: object {output} of action {action} is damaged or cannot be read", self.dir.display());
        match self.damaged.fetch_add(1, Relaxed) {
            0 => log::warn!("layer {what}: it is a miss; the status counts further ones"),
            _ => log::debug!("layer {what}"),
        }
    }

    fn status(&self) -> LayerStatus {
        LayerStatus {
            directory: self.dir.display().to_string(),
            copied: self.copied.load(Relaxed),
            damaged: self.damaged.load(Relaxed),
            refused: self.layer.as_ref().err().cloned(),
        }
    }
}

/// All of it, what has no condition first.
fn records(found: Found) -> Vec<Record> {
    found.plain.into_iter().chain(found.conditional).collect()
}

//! One store in a directory of this user, as the embedded store and the spool use it. A failure of the store is a miss or a put
//! that was not kept, never an error.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::condition::scopes;
use proto::gocmd::{BodyError, Hit};
use proto::{ActionId, Condition, FrameError, OutputId, RequestError, Scope, ScopeDigest};
use store::{Access, Origin, Record, Replaces, StageError, StagedBody, Store, StoreError, View};

use crate::clock;
use crate::environment::Environment;
use crate::gocmd::cache::PutHeader;

use super::entry::Entry;
use super::figures::MissCause;
use super::layers::LowerLayer;
use super::path_for_go::path_for_go;
use super::vet_output;

/// What is known of an action.
#[derive(Debug, Default)]
pub(crate) struct LocalFound {
    /// What this go command may take.
    pub(crate) own: Option<Entry>,
    /// If there is nothing of that: what it may take under conditions, the newest first.
    pub(crate) candidates: Vec<(Condition, Entry)>,
    /// If there is nothing of that either: why.
    pub(crate) cause: MissCause,
}

impl LocalFound {
    /// What cannot be read.
    fn lost() -> Self {
        Self { cause: MissCause::Lost, ..Self::default() }
    }
}

#[derive(Debug)]
pub(crate) struct LocalStore {
    dir: PathBuf,
    /// The directory as it is named to cmd/go.
    path_for_go: String,
    view: View,
    /// The origin of all puts.
    origin: Origin,
    /// The condition of what is for this GOCACHE alone.
    private: Condition,
    /// Whether the go command takes what has no condition.
    takes_plain: bool,
    store: Option<Store>,
    /// Read below it.
    layers: Vec<LowerLayer>,
    scratch: Vec<u8>,
}

impl LocalStore {
    pub(crate) fn new(dir: &Path, environment: &Environment) -> Self {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let path_for_go = path_for_go(&dir, environment.gocache.as_deref());
        let view = View::common(&environment.toolchain).trusting(environment.signers.clone());
        let origin = view.origin(None, "");
        let digest = ScopeDigest(*blake3::hash(environment.gocache_id.as_bytes()).as_bytes());
        let private = Condition { scope: scopes::PRIVATE, digest };
        let takes_plain = environment.is_clean;
        Self {
            dir,
            path_for_go,
            view,
            origin,
            private,
            takes_plain,
            store: None,
            layers: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// The same, with layers below it.
    pub(crate) fn above(self, layers: Vec<LowerLayer>) -> Self {
        Self { layers, ..self }
    }

    /// Opens the store, and creates it where it is missing.
    pub(crate) fn open(&mut self) -> Result<&Store, StoreError> {
        match &mut self.store {
            Some(store) => Ok(store),
            none => Ok(none.insert(Store::open(&self.dir, Access::Owner)?)),
        }
    }

    /// Opens the store of a user after this boot: how the machine was shut down before is not known. True if the store had the
    /// former format.
    pub(crate) fn open_since_boot(&mut self, boot: &str) -> Result<bool, StoreError> {
        let store = Store::open(&self.dir, Access::Owner)?;
        let had_former_format = store.had_former_format();
        // Objects that are to be verified and could not be noted on disk are verified by this process all the same.
        drop(store.recovery().resume_since_boot(boot, clock::now()));
        self.store = Some(store);
        Ok(had_former_format)
    }

    /// Finds an action's output: the last one that this GOCACHE had, or that is for everyone. Each failure is a miss: damaged,
    /// unreadable, evicted.
    pub(crate) fn get(&mut self, action: &ActionId) -> Option<Hit> {
        self.find(action).own.map(|entry| entry.hit)
    }

    /// The same; and the entries that hold under a condition, the newest first. What the store has comes before what layers have.
    pub(crate) fn find(&mut self, action: &ActionId) -> LocalFound {
        let mut found = self.try_find(action).unwrap_or_else(|_| LocalFound::lost());
        for layer in &self.layers {
            if found.own.is_some() {
                break;
            }
            let (plain, candidates) = layer.find(&self.view, action, self.takes_plain);
            found.own = plain;
            found.candidates.extend(candidates);
        }
        found
    }

    fn try_find(&mut self, action: &ActionId) -> Result<LocalFound, StoreError> {
        if self.store.is_none() && !self.dir.is_dir() {
            return Ok(LocalFound::default()); // a look-up creates no spool
        }
        self.open()?;
        let Some(store) = &self.store else { return Ok(LocalFound::default()) };
        let store::Found { plain, conditional, .. } = store.get(&self.view, action, clock::now())?;
        let (private, conditional): (Vec<_>, Vec<_>) =
            conditional.into_iter().partition(|record| is_of(record, &scopes::PRIVATE));
        let (ours, of_others): (Vec<_>, Vec<_>) = private.into_iter().partition(|record| self.is_own(record));
        let is_refused = plain.is_some() && !self.takes_plain;
        let own = ours.into_iter().chain(plain.filter(|_| self.takes_plain)).max_by_key(|record| record.time);
        let (is_known, is_conditional) = (own.is_some(), !conditional.is_empty());
        let entry = |record: &Record| {
            store.object(record.output).ok()??; // whole, as far as its metadata shows
            Some(Entry::of(record, self.path(&record.output.id)))
        };
        let own = own.as_ref().and_then(entry);
        let mut candidates = if own.is_some() { Vec::new() } else { conditional };
        candidates.retain(|record| self.has_output_of_vet(store, action, record));
        let candidates = candidates.iter().filter_map(|record| Some((record.condition.clone()?, entry(record)?)));
        let candidates: Vec<_> = candidates.collect();
        let cause = if is_known || (is_conditional && candidates.is_empty()) {
            MissCause::Lost
        } else if is_conditional || is_refused {
            MissCause::Condition
        } else if of_others.is_empty() {
            MissCause::New
        } else {
            MissCause::Private
        };
        Ok(LocalFound { own, candidates, cause })
    }

    fn has_output_of_vet(&self, store: &Store, action: &ActionId, record: &Record) -> bool {
        let Some(condition) = &record.condition else { return true };
        let beside = || {
            let found = store.get(&self.view, &action.subkey("stdout"), clock::now());
            found.map_or_else(|_| Vec::new(), |found| found.conditional)
        };
        let is_there = |record: &Record| store.object(record.output).is_ok_and(|path| path.is_some());
        vet_output::is_complete(condition, beside, is_there)
    }

    /// Receives a body. `None` where it cannot be written; it was read to its end all the same.
    pub(crate) fn receive(&mut self, put: &PutHeader, body: &mut impl Read) -> Result<Option<StagedBody>, BodyError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let received = match self.open() {
            Ok(store) => store.stage(put.output, body, &mut scratch),
            Err(e) => discard(body).and(Err(e.into())),
        };
        self.scratch = scratch;
        match received {
            Ok(body) => Ok(Some(body)),
            Err(StageError::Body(e)) => Err(BodyError::from_io(e).unwrap_or_else(|e| FrameError::Read(e).into())),
            Err(StageError::Length(size)) => Err(RequestError::BodyLength(size).into()),
            Err(StageError::Digest) => Err(RequestError::BodyDigest.into()),
            Err(StageError::Store(_)) => Ok(None),
        }
    }

    /// Keeps a body that was received, for everyone or for this GOCACHE alone. `None` where it cannot be written; the caller may keep
    /// it elsewhere.
    pub(crate) fn keep(
        &mut self,
        put: &PutHeader,
        cost: Option<Duration>,
        (is_plain, body): (bool, &mut StagedBody),
    ) -> Option<Hit> {
        self.open().ok()?;
        let put = store::Put {
            action: put.action,
            time: clock::now(),
            cost_ms: cost.map_or(0, |cost| u64::try_from(cost.as_millis()).unwrap_or(u64::MAX)),
            origin: &self.origin,
            // A go command that takes nothing plain finds what it puts by its GOCACHE.
            condition: (!is_plain || !self.takes_plain).then_some(&self.private),
            replaces: Replaces::Any,
        };
        self.store.as_ref()?.put(&self.view, &put, body).ok()?;
        let output = body.output();
        Some(Hit { output, time: put.time, path: self.path(&output.id) })
    }

    /// Keeps what this GOCACHE has for itself under another condition too; `None`: for everyone.
    pub(crate) fn share(&mut self, action: &ActionId, output: OutputId, condition: Option<&Condition>) -> Option<()> {
        if self.store.is_none() && !self.dir.is_dir() {
            return None;
        }
        self.open().ok()?;
        let store = self.store.as_ref()?;
        let known = store.get(&self.view, action, clock::now()).ok()?.conditional;
        let own = |record: &&Record| record.condition.as_ref() == Some(&self.private) && record.output.id == output;
        let known = known.iter().find(own)?;
        let put = store::Put {
            action: *action,
            time: known.time,
            cost_ms: known.cost_ms,
            origin: &self.origin,
            condition,
            replaces: Replaces::Any,
        };
        store.put_again(&self.view, &put, known).ok()?.map(drop)
    }

    /// Whether a record is for this GOCACHE alone.
    pub(crate) fn is_own(&self, record: &Record) -> bool {
        record.condition.as_ref() == Some(&self.private)
    }

    /// The path for a put that could not be kept. There is no file, so cmd/go takes the output from where it made it and
    /// continues (docs/facts/go.md, "What fails a go command").
    pub(crate) fn missing_path(&self) -> String {
        format!("{}/nowhere", self.path_for_go)
    }

    /// All entries of this toolchain.
    pub(crate) fn list(&mut self) -> Vec<(ActionId, Record)> {
        let view = self.view.clone();
        let all = if self.dir.is_dir() {
            self.open().and_then(|store| store.list(&view)).unwrap_or_default()
        } else {
            Vec::new()
        };
        all.into_iter().map(|(action, record, _)| (action, record)).collect()
    }

    /// The number of entries of all toolchains.
    pub(crate) fn count(&mut self) -> u64 {
        if self.dir.is_dir() {
            self.open().and_then(|store| store.evictor().count()).map_or(0, |totals| totals.entries)
        } else {
            0
        }
    }

    /// The file of an output.
    pub(crate) fn file(&mut self, record: &Record) -> Option<PathBuf> {
        self.open().ok()?.object(record.output).ok()?
    }

    /// Removes the record of an action that the daemon has now. Its object stays, since cmd/go knows its path.
    pub(crate) fn forget(&mut self, action: &ActionId, record: &Record) {
        let view = self.view.clone();
        // If the record stays, it is handed on once more.
        drop(self.open().and_then(|store| store.forget(&view, action, record)));
    }

    fn path(&self, output: &OutputId) -> String {
        format!("{}/{}", self.path_for_go, Store::object_name(output))
    }
}

fn is_of(record: &Record, scope: &Scope) -> bool {
    record.condition.as_ref().is_some_and(|condition| condition.scope == *scope)
}

fn discard(body: &mut impl Read) -> Result<(), StageError> {
    std::io::copy(body, &mut std::io::sink()).map(drop).map_err(StageError::Body)
}

/// The kernel's id of this boot. Where it cannot be read all boots are the same, and only its size shows that an object was
/// lost in a power cut.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

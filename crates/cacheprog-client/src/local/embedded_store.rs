//! The cache of a go command without a daemon: a store of the user's own. The thread that reads requests answers them, since
//! cmd/go sends one after the other; what depends on a condition is answered by the thread that reads files. Outside of a sandbox
//! mtimes tell files apart, so what is keyed by them is kept for everyone, as in Go's own cache.

use std::fs::{self, File};
use std::io::BufRead;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::gocmd::{Body, BodyError, Hit};
use proto::{ActionId, Condition};
use rustix::process::geteuid;
use store::{Kind, Unwritable, unwritable};

use crate::environment::{Environment, is_one_line};
use crate::go_command;
use crate::gocmd::cache::{Cache, PutHeader};
use crate::gocmd::responder::Responder;
use crate::mutex::lock;
use crate::read_your_writes::{ReadYourWrites, is_there};
use crate::sharing::classifier::Classifier;
use crate::sharing::hits::Hits;
use crate::sharing::shares::Share;
use crate::sharing::worker::{Backend, Outcome, Readers, Task, Worker};

use super::entry::Entry;
use super::figures::{Figures, MissCause};
use super::layers;
use super::local_store::{LocalFound, LocalStore, boot_id};

#[derive(Debug)]
pub(crate) struct EmbeddedStore {
    worker: Arc<Worker<Stores>>,
    classifier: Classifier,
    read_your_writes: ReadYourWrites,
}

/// The stores, with the way to answer from them.
#[derive(Debug)]
struct Stores {
    /// Held for one put or look-up; its I/O is on a local file.
    store: Mutex<LocalStore>,
    /// Keeps what the store has no room for: in GOCACHE, or in the directory for temporary files.
    spool: Mutex<LocalStore>,
    figures: Arc<Figures>,
    hits: Arc<Hits>,
    responder: Arc<Responder>,
}

/// A get for which there are outputs of other builds, each with its condition.
#[derive(Debug)]
struct Candidates {
    id: i64,
    action: ActionId,
    entries: Vec<Entry>,
    conditions: Arc<[Condition]>,
}

impl EmbeddedStore {
    /// `lower`: directories of layers to be read below the store. A store that this user may not write to, or not to a directory in it,
    /// is one of them.
    pub(crate) fn new(
        (dir, lower): (&Path, &[PathBuf]),
        (responder, figures): (Arc<Responder>, Arc<Figures>),
        environment: &Environment,
    ) -> Self {
        let spool = || LocalStore::new(&environment.spool, environment);
        let store = match unwritable(dir, 1) {
            Some(Unwritable { dir: refused, is_readable }) => {
                let what = if is_readable { "be written" } else { "be read or written" };
                let refused = refused.display();
                environment
                    .log(&format!("{refused} cannot {what}: nothing is stored, see `cacheprogctl status --store`"));
                let below: Vec<_> = [dir.to_owned()].into_iter().chain(lower.iter().cloned()).collect();
                spool().above(layers::open(&below, environment))
            }
            None => open(dir, environment).unwrap_or_else(spool).above(layers::open(lower, environment)),
        };
        let hits = Arc::<Hits>::default();
        let stores =
            Stores { store: Mutex::new(store), spool: Mutex::new(spool()), figures, hits: hits.clone(), responder };
        let worker = Worker::start(stores, Readers::new(go_command::setting(environment), None));
        let classifier = Classifier::new(go_command::rules_of_store(environment), hits);
        Self { worker, classifier, read_your_writes: ReadYourWrites::default() }
    }

    fn stores(&self) -> &Stores {
        self.worker.backend()
    }
}

/// Whether this user may only read a directory, and it is of another one than this user or root. At the place where this user's own store is
/// looked for, in a HOME that others can write, such a one is of a neighbour: it is read only where the command line names it.
pub(crate) fn is_of_another_user(dir: &Path, environment: &Environment) -> bool {
    let owner = || fs::metadata(dir).map_or(0, |metadata| metadata.uid());
    let is_of_another_user = unwritable(dir, 0).is_some() && ![0, geteuid().as_raw()].contains(&owner());
    if is_of_another_user {
        environment.log(&format!("{} is of another user: name it with --store to read it", dir.display()));
    }
    is_of_another_user
}

/// Opens the store in this directory. Where it cannot be used the reason is printed where that is wanted.
fn open(dir: &Path, environment: &Environment) -> Option<LocalStore> {
    let mut store = LocalStore::new(dir, environment);
    let opened = if is_one_line(dir) {
        store.open_since_boot(&boot_id()).map_err(|e| e.to_string())
    } else {
        Err("its path is not a single line of UTF-8 text".into())
    };
    match opened {
        Ok(true) => environment.log(&format!("{}: {}", dir.display(), store::FORMER_FORMAT_NOTICE)),
        Ok(false) => {}
        Err(e) => {
            environment.log(&format!("cannot use the store in {}, nothing is cached there: {e}", dir.display()));
            return None;
        }
    }
    Some(store)
}

impl Cache for EmbeddedStore {
    fn get(&mut self, id: i64, action: &ActionId) {
        let stores = self.stores();
        if let Some(hit) = self.read_your_writes.find(action) {
            return stores.responder.hit(id, &hit);
        }
        let LocalFound { own, candidates, cause } = lock(&stores.store).find(action);
        match own {
            Some(entry) => stores.answer_hit(id, *action, &entry),
            None if candidates.is_empty() => stores.answer_miss(id, *action, cause),
            None => {
                let (conditions, entries): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
                self.worker.queue(Candidates { id, action: *action, entries, conditions: conditions.into() });
            }
        }
    }

    fn put<R: BufRead>(&mut self, id: i64, put: PutHeader, body: &mut Body<'_, R>) -> Result<(), BodyError> {
        let (stores, arrived) = (self.worker.backend(), Instant::now());
        let Some(mut body) = lock(&stores.store).receive(&put, body)? else {
            // What it was is not known.
            stores.figures.put(&put.action, Kind::Content, arrived);
            stores.answer_lost(id);
            return Ok(());
        };
        let kind = body.kind();
        let cost = stores.figures.put(&put.action, kind, arrived);
        let class = self.classifier.classify(&put, &|into, at| body.read_exact_at(into, at));
        let Some(hit) = stores.keep(&put, cost, (class.is_plain, &mut body)) else {
            stores.answer_lost(id);
            return Ok(());
        };
        stores.figures.kept(put.output.size);
        stores.responder.stored(id, &hit.path);
        let read = |into: &mut [u8], at| File::open(&hit.path)?.read_exact_at(into, at);
        self.worker.share(self.classifier.sent(&put, &class, &read));
        self.read_your_writes.remember(put.action, hit);
        Ok(())
    }

    fn finish(&mut self) {
        self.worker.share(self.classifier.finish());
        self.worker.finish();
    }
}

impl Stores {
    fn keep(
        &self,
        put: &PutHeader,
        cost: Option<Duration>,
        (is_plain, body): (bool, &mut store::StagedBody),
    ) -> Option<Hit> {
        let kept = lock(&self.store).keep(put, cost, (is_plain, body));
        kept.or_else(|| lock(&self.spool).keep(put, cost, (is_plain, body)))
    }

    fn answer_hit(&self, id: i64, action: ActionId, Entry { hit, saves_ms, is_package }: &Entry) {
        if self.hits.remember(action, &hit.path) {
            self.figures.hit(hit.output.size, *saves_ms, *is_package);
        }
        self.responder.hit(id, hit);
    }

    fn answer_miss(&self, id: i64, action: ActionId, cause: MissCause) {
        self.figures.miss(action, cause);
        self.responder.miss(id);
    }

    fn answer_lost(&self, id: i64) {
        self.responder.stored(id, &lock(&self.store).missing_path());
    }
}

impl Backend for Stores {
    type Job = Candidates;

    fn task(job: &Candidates) -> Task {
        Task::Choose(job.conditions.clone())
    }

    fn answer(&self, job: Candidates, outcome: Outcome) {
        let Candidates { id, action, entries, .. } = job;
        let taken = if let Outcome::Holds(number) = outcome { entries.get(number) } else { None };
        match taken {
            Some(entry) if is_there(&entry.hit) => self.answer_hit(id, action, entry),
            Some(_) => self.answer_miss(id, action, MissCause::Lost),
            None => self.answer_miss(id, action, MissCause::Condition),
        }
    }

    fn share(&self, shares: Vec<Share>) {
        for Share { action, output, condition } in shares {
            // What is not shared stays private.
            let _shared = lock(&self.store).share(&action, output, condition.as_ref());
        }
    }

    fn tell_parts(&self, _: &Condition, _: Vec<u8>) {}
}

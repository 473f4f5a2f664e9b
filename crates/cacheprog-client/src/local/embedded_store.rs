//! The cache of a go command without a daemon: a store of the user's own. The thread that reads requests answers them, since
//! cmd/go sends one after the other. Outside of a sandbox mtimes tell files apart, so everything is kept, as in Go's own cache.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use proto::ActionId;
use proto::gocmd::{Body, BodyError};
use store::BoundedMap;

use crate::environment::{Environment, is_one_line};
use crate::gocmd::cache::{Cache, PutHeader};
use crate::gocmd::responder::Responder;
use crate::read_your_writes::ReadYourWrites;

use super::local_store::{LocalStore, boot_id};

#[derive(Debug)]
pub(crate) struct EmbeddedStore {
    store: LocalStore,
    /// Keeps what the store has no room for: in GOCACHE, or in the directory for temporary files.
    spool: LocalStore,
    read_your_writes: ReadYourWrites,
    /// When each missed action was asked for. Go computes it until its put: that time is what a hit saves.
    missed: BoundedMap<Instant>,
    responder: Arc<Responder>,
}

impl EmbeddedStore {
    pub(crate) fn new(dir: &Path, responder: Arc<Responder>, environment: &Environment) -> Self {
        let mut store = LocalStore::new(dir, environment);
        let spool = || LocalStore::new(&environment.spool, environment);
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
                store = spool();
            }
        }
        Self {
            store,
            spool: spool(),
            read_your_writes: ReadYourWrites::default(),
            missed: BoundedMap::default(),
            responder,
        }
    }
}

impl Cache for EmbeddedStore {
    fn get(&mut self, id: i64, action: &ActionId) {
        match self.read_your_writes.find(action).or_else(|| self.store.get(action)) {
            Some(hit) => self.responder.hit(id, &hit),
            None => {
                self.missed.insert(*action, Instant::now());
                self.responder.miss(id);
            }
        }
    }

    fn put<R: BufRead>(&mut self, id: i64, put: PutHeader, body: &mut Body<'_, R>) -> Result<(), BodyError> {
        let cost = self.missed.remove(&put.action).map(|asked| asked.elapsed());
        let kept = match self.store.receive(&put, body)? {
            Some(mut body) => self.store.keep(&put, cost, &mut body).or_else(|| self.spool.keep(&put, cost, &mut body)),
            None => None,
        };
        match kept {
            Some(hit) => {
                self.responder.stored(id, &hit.path);
                self.read_your_writes.remember(put.action, hit);
            }
            None => self.responder.stored(id, &self.store.missing_path()),
        }
        Ok(())
    }

    fn finish(&mut self) {}
}

//! The cache program by itself: a store of its own, answered from the reading thread, since cmd/go sends one request
//! after the other. Mtimes mean something here, so that everything is kept, as Go's own cache does.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use proto::ActionId;
use proto::gocmd::{Body, BodyError};
use store::Recent;

use crate::gocmd::responder::Answers;
use crate::gocmd::cache::{Cache, Put};
use crate::environment::{Environment, is_one_line};
use crate::local::local_store::Local;
use crate::read_your_writes::Own;

#[derive(Debug)]
pub(crate) struct Embedded {
    store: Local,
    /// For what the store has no room for: in GOCACHE, or where temporary files go.
    spool: Local,
    own: Own,
    /// When each missed action was asked for: until its put, Go computes.
    missed: Recent<Instant>,
    answers: Arc<Answers>,
}

impl Embedded {
    pub(crate) fn new(dir: &Path, answers: Arc<Answers>, environment: &Environment) -> Self {
        let mut store = Local::new(dir, environment);
        let spool = || Local::new(&environment.spool, environment);
        let opened = if is_one_line(dir) {
            store.open_after(&boot_id()).map_err(|e| e.to_string())
        } else {
            Err("its path is not one line of text".into())
        };
        match opened {
            Ok(true) => environment.tell(&format!("{}: {}", dir.display(), store::SET_ASIDE)),
            Ok(false) => {}
            Err(e) => {
                environment.tell(&format!("nothing is cached in {}: {e}", dir.display()));
                store = spool();
            }
        }
        Self { store, spool: spool(), own: Own::default(), missed: Recent::default(), answers }
    }
}

/// The kernel's id of this boot. Where it cannot be read every boot is the same, and what a power cut took is noticed by its size.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

impl Cache for Embedded {
    fn get(&mut self, id: i64, action: &ActionId) {
        match self.own.find(action).or_else(|| self.store.get(action)) {
            Some(hit) => self.answers.hit(id, &hit),
            None => {
                self.missed.insert(*action, Instant::now());
                self.answers.miss(id);
            }
        }
    }

    fn put<R: BufRead>(&mut self, id: i64, put: Put, body: &mut Body<'_, R>) -> Result<(), BodyError> {
        let cost = self.missed.remove(&put.action).map(|asked| asked.elapsed());
        let kept = match self.store.receive(&put, body)? {
            Some(mut body) => self.store.keep(&put, cost, &mut body).or_else(|| self.spool.keep(&put, cost, &mut body)),
            None => None,
        };
        match kept {
            Some(hit) => {
                self.answers.stored(id, &hit.path);
                self.own.remember(put.action, hit);
            }
            None => self.answers.stored(id, &self.store.nowhere()),
        }
        Ok(())
    }

    fn finish(&mut self) {}
}

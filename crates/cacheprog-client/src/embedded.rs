//! The cache program by itself: a store of its own, answered from the reading thread, since cmd/go sends one request
//! after the other. Mtimes mean something here, so that everything is kept, as Go's own cache does.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use proto::ActionId;
use proto::gocmd::{Body, BodyError};
use store::Recent;

use crate::answers::Answers;
use crate::environment::Environment;
use crate::local::Local;
use crate::own::Own;
use crate::serve::{Cache, Put};

#[derive(Debug)]
pub(crate) struct Embedded {
    store: Local,
    own: Own,
    /// When each missed action was asked for: until its put, Go computes.
    missed: Recent<Instant>,
    answers: Arc<Answers>,
}

impl Embedded {
    pub(crate) fn new(dir: &Path, answers: Arc<Answers>, environment: &Environment) -> Self {
        let mut store = Local::new(dir, environment);
        if let Err(e) = store.open() {
            environment.tell(&format!("nothing is cached: {e}"));
        }
        Self { store, own: Own::default(), missed: Recent::default(), answers }
    }
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

    fn put<R: BufRead>(&mut self, id: i64, put: Put, mut body: Body<'_, R>) -> Result<(), BodyError> {
        let cost = self.missed.remove(&put.action).map(|asked| asked.elapsed());
        match self.store.put(&put, cost, &mut body)? {
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

//! The one way to cmd/go: whole answers, one write each, from any thread, and one answer for each request: cmd/go ends the
//! build at a second one, and waits for a first one for ever.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use proto::gocmd::{self, Hit};

use crate::locks::lock;

/// A path for a put of which nothing was kept: see [`crate::local::local_store::Local::nowhere`].
pub(crate) const NOWHERE: &str = "/nowhere";

/// The id under which cmd/go waits for the hello.
const HELLO: i64 = 0;

/// cmd/go's end of our standard output.
#[derive(Debug)]
pub(crate) struct Answers {
    /// `None` when all is said. Held for one write, and the other lock is not: cmd/go goes on as soon as it has read, and its next
    /// request is expected while this write returns.
    out: Mutex<Option<File>>,
    /// Requests without an answer. Held for one look.
    owed: Mutex<HashSet<i64>>,
}

impl Answers {
    /// Takes the pipe and says hello, before anything that can take time: cmd/go waits for it.
    pub(crate) fn begin(out: File) -> Self {
        let answers = Self { out: Mutex::new(Some(out)), owed: Mutex::new(HashSet::from([HELLO])) };
        answers.send(HELLO, gocmd::write_hello);
        answers
    }

    /// A request came.
    pub(crate) fn expect(&self, id: i64) {
        lock(&self.owed).insert(id);
    }

    /// cmd/go has forgotten a request that it gave up in the middle.
    pub(crate) fn forget(&self, id: i64) {
        lock(&self.owed).remove(&id);
    }

    pub(crate) fn miss(&self, id: i64) {
        self.send(id, |out| gocmd::write_miss(out, id));
    }

    pub(crate) fn hit(&self, id: i64, hit: &Hit) {
        self.send(id, |out| gocmd::write_hit(out, id, hit));
    }

    pub(crate) fn stored(&self, id: i64, path: &str) {
        self.send(id, |out| gocmd::write_stored(out, id, path));
    }

    pub(crate) fn closed(&self, id: i64) {
        self.send(id, |out| gocmd::write_close(out, id));
    }

    pub(crate) fn error(&self, id: i64, error: &str) {
        self.send(id, |out| gocmd::write_error(out, id, error));
    }

    /// Closes the pipe, for whose end cmd/go waits.
    pub(crate) fn end(&self) {
        drop(lock(&self.out).take());
    }

    fn send(&self, id: i64, write: impl FnOnce(&mut Vec<u8>)) {
        let mut line = Vec::with_capacity(256);
        write(&mut line);
        if lock(&self.owed).remove(&id)
            && let Some(out) = &mut *lock(&self.out)
        {
            // Without a reader cmd/go is gone, and standard input ends next.
            drop(out.write_all(&line));
        }
    }
}

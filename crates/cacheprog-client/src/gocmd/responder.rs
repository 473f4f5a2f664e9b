//! The only way to answer cmd/go: whole answers, one write each, from any thread. Each request gets one answer: a second one
//! ends the build, and cmd/go waits without limit for a missing one.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use proto::gocmd::{self, Hit};

use crate::mutex::lock;

/// The path in the answer to a put that was not kept: see [`crate::local::local_store::LocalStore::missing_path`].
pub(crate) const MISSING_PATH: &str = "/nowhere";

/// The id under which cmd/go waits for the hello.
const HELLO: i64 = 0;

/// cmd/go's end of our standard output.
#[derive(Debug)]
pub(crate) struct Responder {
    /// `None` after the last answer. Held for one write, and never together with the other lock: cmd/go continues as soon as
    /// it has read an answer, and its next request is registered while this write returns.
    out: Mutex<Option<File>>,
    /// Requests without an answer. Held for one look-up.
    outstanding: Mutex<HashSet<i64>>,
}

impl Responder {
    /// Takes the pipe and sends the hello, before anything that can take time: cmd/go waits for it.
    pub(crate) fn start(out: File) -> Self {
        let responder = Self { out: Mutex::new(Some(out)), outstanding: Mutex::new(HashSet::from([HELLO])) };
        responder.send(HELLO, gocmd::write_hello);
        responder
    }

    /// Registers a request that arrived.
    pub(crate) fn expect(&self, id: i64) {
        lock(&self.outstanding).insert(id);
    }

    /// Removes a request that cmd/go abandoned in the middle of its body.
    pub(crate) fn forget(&self, id: i64) {
        lock(&self.outstanding).remove(&id);
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

    /// Closes the pipe: cmd/go waits for its end.
    pub(crate) fn close(&self) {
        drop(lock(&self.out).take());
    }

    fn send(&self, id: i64, write: impl FnOnce(&mut Vec<u8>)) {
        let mut line = Vec::with_capacity(256);
        write(&mut line);
        if lock(&self.outstanding).remove(&id)
            && let Some(out) = &mut *lock(&self.out)
        {
            // This fails only after cmd/go has ended, and then standard input ends too.
            drop(out.write_all(&line));
        }
    }
}

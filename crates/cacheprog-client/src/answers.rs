//! The one way to cmd/go: whole answers, one write each, from any thread.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use proto::gocmd::{self, Hit};

use crate::sync::lock;

/// cmd/go's end of our standard output.
#[derive(Debug)]
pub(crate) struct Answers {
    /// Held for one write.
    out: Mutex<File>,
}

impl Answers {
    /// Takes the pipe and says hello, before anything that can take time: cmd/go waits for it.
    pub(crate) fn begin(out: File) -> Self {
        let answers = Self { out: Mutex::new(out) };
        answers.send(gocmd::write_hello);
        answers
    }

    pub(crate) fn miss(&self, id: i64) {
        self.send(|out| gocmd::write_miss(out, id));
    }

    pub(crate) fn hit(&self, id: i64, hit: &Hit) {
        self.send(|out| gocmd::write_hit(out, id, hit));
    }

    pub(crate) fn stored(&self, id: i64, path: &str) {
        self.send(|out| gocmd::write_stored(out, id, path));
    }

    pub(crate) fn closed(&self, id: i64) {
        self.send(|out| gocmd::write_close(out, id));
    }

    pub(crate) fn error(&self, id: i64, error: &str) {
        self.send(|out| gocmd::write_error(out, id, error));
    }

    fn send(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut line = Vec::with_capacity(256);
        write(&mut line);
        let mut out = lock(&self.out);
        // Without a reader cmd/go is gone, and standard input ends next.
        drop(out.write_all(&line));
    }
}

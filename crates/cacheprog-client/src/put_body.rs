//! A body that is kept until its put is answered, so that nothing is lost when the daemon goes away in the middle.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proto::gocmd::{Body, BodyError};
use transport::send_file;

/// A body up to this size may stay in memory: ninety-seven of a hundred do not exceed it. A larger one is written to a file and
/// read from there, which costs two copies more.
const SMALL: u64 = 2 << 20;

/// All bodies in memory at once: half of what this program may take. cmd/go has as many puts under way as it runs compilers.
const MEMORY: u64 = 4 << 20;

/// Bytes decoded at a time.
const PIECE: usize = 48 << 10;

/// Where bodies are held.
#[derive(Debug)]
pub(crate) struct Holder {
    in_memory: Arc<AtomicU64>,
    piece: Vec<u8>,
}

/// One body.
#[derive(Debug)]
pub(crate) enum Held {
    /// In memory, counted until dropped.
    Memory(Counted),
    /// In an unlinked file.
    File(File, u64),
}

/// Bytes that give their share of the memory back.
#[derive(Debug)]
pub(crate) struct Counted {
    bytes: Vec<u8>,
    size: u64,
    in_memory: Arc<AtomicU64>,
}

impl Counted {
    fn new(size: usize, in_memory: &Arc<AtomicU64>) -> Self {
        in_memory.fetch_add(size as u64, Relaxed);
        Self { bytes: Vec::with_capacity(size), size: size as u64, in_memory: in_memory.clone() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.in_memory.fetch_sub(self.size, Relaxed);
    }
}

impl Holder {
    pub(crate) fn new() -> Self {
        Self { in_memory: Arc::default(), piece: Vec::new() }
    }

    /// Reads a body to its end and keeps it, in `dir` if it is large; `None` where it cannot be kept.
    pub(crate) fn hold<R: BufRead>(
        &mut self,
        size: u64,
        body: &mut Body<'_, R>,
        dir: &Path,
    ) -> Result<Option<Held>, BodyError> {
        if size <= SMALL && self.in_memory.load(Relaxed) + size <= MEMORY {
            let mut held = Counted::new(usize::try_from(size).unwrap_or(0), &self.in_memory);
            while body.append(&mut held.bytes)? > 0 {}
            return Ok(Some(Held::Memory(held)));
        }
        self.piece.resize(PIECE, 0);
        let mut file = tempfile::tempfile_in(dir).or_else(|_| tempfile::tempfile()).ok();
        loop {
            let n = body.chunk(&mut self.piece)?;
            if n == 0 {
                return Ok(file.map(|file| Held::File(file, size)));
            }
            if file.as_mut().is_some_and(|file| file.write_all(&self.piece[..n]).is_err()) {
                file = None; // no space: read on, so that the next request is found
            }
        }
    }
}

impl Held {
    /// Its bytes and whether they are all: of one that is in a file the first few. `None` where they cannot be read.
    pub(crate) fn beginning(&self, few: usize) -> Option<(Cow<'_, [u8]>, bool)> {
        match self {
            Self::Memory(held) => Some((Cow::Borrowed(&held.bytes), true)),
            Self::File(file, size) => {
                let mut bytes = vec![0; few.min(usize::try_from(*size).unwrap_or(few))];
                file.read_exact_at(&mut bytes, 0).ok()?;
                Some((Cow::Owned(bytes), false))
            }
        }
    }

    /// A small one.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let size = bytes.len() as u64;
        Self::Memory(Counted { bytes: bytes.to_vec(), size, in_memory: Arc::new(AtomicU64::new(size)) })
    }

    /// Reads exactly these bytes of it.
    pub(crate) fn read_exact_at(&self, into: &mut [u8], at: u64) -> std::io::Result<()> {
        match self {
            Self::Memory(held) => {
                let rest = usize::try_from(at).ok().and_then(|at| held.bytes.get(at..)).unwrap_or_default();
                into.copy_from_slice(rest.get(..into.len()).ok_or(std::io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::File(file, _) => file.read_exact_at(into, at),
        }
    }

    /// Sends it to `out` in as few system calls as it takes.
    pub(crate) fn send(&self, out: &mut (impl Write + std::os::fd::AsFd)) -> std::io::Result<()> {
        match self {
            Self::Memory(held) => out.write_all(&held.bytes),
            Self::File(file, size) => send_file(out, file, 0, *size),
        }
    }

    /// Reads it from its beginning.
    pub(crate) fn reader(&self) -> std::io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Memory(held) => Box::new(held.bytes.as_slice()),
            Self::File(file, _) => {
                (&*file).seek(SeekFrom::Start(0))?;
                Box::new(file)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::gocmd::Requests;

    fn put(body: &[u8]) -> Vec<u8> {
        // "AAAA" decodes to three zeros, and so on.
        let base64: String = body.chunks(3).map(|c| ["", "AA==", "AAA=", "AAAA"][c.len()]).collect();
        format!("\n\"{base64}\"\n").into_bytes()
    }

    #[test]
    fn bodies_of_all_sizes_are_held_whole_and_the_memory_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut holder = Holder::new();
        let mut all = Vec::new();
        for size in
            [1u64, 2, 3, 4, 5, 1000, SMALL - 1, SMALL, SMALL + 1, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL]
        {
            let body = vec![0; usize::try_from(size).unwrap()];
            let wire = put(&body);
            let mut requests = Requests::new(wire.as_slice());
            let held = holder.hold(size, &mut requests.body(size), dir.path()).unwrap().unwrap();
            let mut read = Vec::new();
            held.reader().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == body, "{size}");
            assert!(holder.in_memory.load(Relaxed) <= MEMORY);
            all.push(held);
        }
        assert!(all.iter().filter(|held| matches!(held, Held::File(..))).count() > 1);
        drop(all);
        assert_eq!(holder.in_memory.load(Relaxed), 0);
    }
}

//! The body of a put. It is kept until the put is answered, in memory or in a file, so that nothing is lost when the daemon dies
//! in the middle of it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proto::gocmd::{Body, BodyError};
use transport::send_file;

/// Limit of a body in memory: 97 of 100 are smaller. A larger one is written to a file and read from there, which costs two more
/// copies.
const MAX_BODY_IN_MEMORY: u64 = 2 << 20;

/// Limit of all bodies in memory: half of what this program may use. cmd/go has as many puts under way as it runs compilers.
const MAX_MEMORY: u64 = 4 << 20;

/// Bytes decoded at a time.
const PIECE: usize = 48 << 10;

/// Reads bodies, and counts the memory that they use.
#[derive(Debug)]
pub(crate) struct BodyBuffer {
    in_memory: Arc<AtomicU64>,
    piece: Vec<u8>,
}

/// One body.
#[derive(Debug)]
pub(crate) enum PutBody {
    /// In memory, counted until dropped.
    Memory(Counted),
    /// In an unlinked file.
    File(File, u64),
}

/// Bytes in memory. They are counted until they are dropped.
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

impl BodyBuffer {
    pub(crate) fn new() -> Self {
        Self { in_memory: Arc::default(), piece: Vec::new() }
    }

    /// Reads a body to its end and keeps it, in `dir` if it is large; `None` where it cannot be kept.
    pub(crate) fn read<R: BufRead>(
        &mut self,
        size: u64,
        body: &mut Body<'_, R>,
        dir: &Path,
    ) -> Result<Option<PutBody>, BodyError> {
        if size <= MAX_BODY_IN_MEMORY && self.in_memory.load(Relaxed) + size <= MAX_MEMORY {
            let mut counted = Counted::new(usize::try_from(size).unwrap_or(0), &self.in_memory);
            while body.append(&mut counted.bytes)? > 0 {}
            return Ok(Some(PutBody::Memory(counted)));
        }
        self.piece.resize(PIECE, 0);
        let mut file = tempfile::tempfile_in(dir).or_else(|_| tempfile::tempfile()).ok();
        loop {
            let n = body.chunk(&mut self.piece)?;
            if n == 0 {
                return Ok(file.map(|file| PutBody::File(file, size)));
            }
            if file.as_mut().is_some_and(|file| file.write_all(&self.piece[..n]).is_err()) {
                file = None; // no space: the rest is read all the same, up to the next request
            }
        }
    }
}

impl PutBody {
    /// Its bytes, of a body in a file the first `few` only; and whether these are all. `None` where they cannot be read.
    pub(crate) fn beginning(&self, few: usize) -> Option<(Cow<'_, [u8]>, bool)> {
        match self {
            Self::Memory(counted) => Some((Cow::Borrowed(&counted.bytes), true)),
            Self::File(file, size) => {
                let mut bytes = vec![0; few.min(usize::try_from(*size).unwrap_or(few))];
                file.read_exact_at(&mut bytes, 0).ok()?;
                Some((Cow::Owned(bytes), false))
            }
        }
    }

    /// A small body.
    #[cfg(test)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let size = bytes.len() as u64;
        Self::Memory(Counted { bytes: bytes.to_vec(), size, in_memory: Arc::new(AtomicU64::new(size)) })
    }

    /// Reads exactly these bytes of it.
    pub(crate) fn read_exact_at(&self, into: &mut [u8], at: u64) -> std::io::Result<()> {
        match self {
            Self::Memory(counted) => {
                let rest = usize::try_from(at).ok().and_then(|at| counted.bytes.get(at..)).unwrap_or_default();
                into.copy_from_slice(rest.get(..into.len()).ok_or(std::io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::File(file, _) => file.read_exact_at(into, at),
        }
    }

    /// Sends it to `out` in as few system calls as possible.
    pub(crate) fn send(&self, out: &mut (impl Write + std::os::fd::AsFd)) -> std::io::Result<()> {
        match self {
            Self::Memory(counted) => out.write_all(&counted.bytes),
            Self::File(file, size) => send_file(out, file, 0, *size),
        }
    }

    /// Reads it from its beginning.
    pub(crate) fn reader(&self) -> std::io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Memory(counted) => Box::new(counted.bytes.as_slice()),
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
    fn bodies_of_all_sizes_are_kept_whole_and_their_memory_is_released() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = BodyBuffer::new();
        let mut all = Vec::new();
        let limit = MAX_BODY_IN_MEMORY;
        for size in [1u64, 2, 3, 4, 5, 1000, limit - 1, limit, limit + 1].into_iter().chain([limit; 7]) {
            let body = vec![0; usize::try_from(size).unwrap()];
            let wire = put(&body);
            let mut requests = Requests::new(wire.as_slice());
            let kept = buffer.read(size, &mut requests.body(size), dir.path()).unwrap().unwrap();
            let mut read = Vec::new();
            kept.reader().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == body, "{size}");
            assert!(buffer.in_memory.load(Relaxed) <= MAX_MEMORY);
            all.push(kept);
        }
        assert!(all.iter().filter(|kept| matches!(kept, PutBody::File(..))).count() > 1);
        drop(all);
        assert_eq!(buffer.in_memory.load(Relaxed), 0);
    }
}

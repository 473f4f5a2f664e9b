//! A staged body: read once, hashed on the way, checked before anyone can see it. publish.rs makes an object of it.

use std::borrow::Cow;
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use proto::Output;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::{StageError, StoreError};
use crate::format::kind::{Kind, Sniffer};
use crate::format::layout::Layout;
use crate::object::atomic_rename::unfinished;

/// Bodies up to this size stay in memory until it is known that they must be written: nine of ten puts are smaller, and
/// a quarter of all are the empty output, which is there already.
const IN_MEMORY: u64 = 64 << 10;

/// Bytes read at a time: a body passes through the processor's cache while it is hashed and written.
const PIECE: usize = 64 << 10;

/// A body that was read and checked, and that is not visible yet.
#[derive(Debug)]
pub struct StagedBody {
    output: Output,
    kind: Kind,
    content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Memory(Vec<u8>),
    File(NamedTempFile),
    /// Its file was renamed to this path, where it is seen.
    Published(PathBuf),
}

impl StagedBody {
    /// Reads, hashes and checks a body.
    pub(crate) fn read(
        layout: &Layout,
        output: Output,
        body: &mut impl Read,
        scratch: &mut Vec<u8>,
    ) -> Result<Self, StageError> {
        scratch.resize(PIECE, 0);
        let mut sink = Sink::new(layout, output.size);
        let mut hasher = Sha256::new();
        let mut sniffer = Sniffer::default();
        let mut left = output.size;
        loop {
            let n = match body.read(scratch) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(StageError::Body(e)),
            };
            let piece = &scratch[..n];
            left = left.checked_sub(n as u64).ok_or(StageError::Length(output.size))?;
            hasher.update(piece);
            sniffer.see(piece);
            sink.write(piece);
        }
        if left != 0 {
            return Err(StageError::Length(output.size));
        }
        let content = sink.finish();
        if hasher.finalize()[..] != output.id.0 {
            return Err(StageError::Digest);
        }
        Ok(Self { output, kind: sniffer.kind(), content: content? })
    }

    /// The body's sha256 and its length.
    #[must_use]
    pub fn output(&self) -> Output {
        self.output
    }

    /// How cmd/go keys it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// More is known of it than its bytes say: [`Kind::StoreIndex`].
    pub fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
    }

    /// The whole body, if it is no longer than `most` bytes and can be read.
    #[must_use]
    pub fn bytes(&self, most: u64) -> Option<Cow<'_, [u8]>> {
        match &self.content {
            _ if self.output.size > most => None,
            Content::Memory(bytes) => Some(bytes.into()),
            Content::File(file) => {
                let mut bytes = vec![0; usize::try_from(self.output.size).ok()?];
                file.as_file().read_exact_at(&mut bytes, 0).ok()?;
                Some(bytes.into())
            }
            Content::Published(_) => None,
        }
    }

    /// Reads exactly these bytes of it.
    ///
    /// # Errors
    /// An [`io::Error`] where it is shorter, or cannot be read.
    pub fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        match &self.content {
            Content::Memory(bytes) => {
                let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                into.copy_from_slice(rest.get(..into.len()).ok_or(ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Content::File(file) => file.as_file().read_exact_at(into, at),
            Content::Published(path) => File::open(path)?.read_exact_at(into, at),
        }
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// Its file is found at another path too, if it was published to this one.
    pub(crate) fn is_also_at(&mut self, path: &Path, other: PathBuf) {
        if matches!(&self.content, Content::Published(at) if at == path) {
            self.content = Content::Published(other);
        }
    }

    /// The body as a file, read-only for all, that is about to be renamed to `path`; or where it was renamed to before.
    pub(crate) fn take_file(&mut self, tmp: &Path, path: &Path) -> Result<Taken, StoreError> {
        match std::mem::replace(&mut self.content, Content::Published(path.to_owned())) {
            Content::File(file) => Ok(Taken::File(file)),
            Content::Memory(bytes) => write(tmp, &bytes).map(Taken::File).inspect_err(|_| {
                self.content = Content::Memory(bytes); // it is still here, and can be kept elsewhere
            }),
            Content::Published(before) => {
                self.content = Content::Published(before.clone());
                Ok(Taken::Published(before))
            }
        }
    }
}

/// What [`StagedBody::take_file`] found.
pub(crate) enum Taken {
    /// A file that is not published.
    File(NamedTempFile),
    /// The path to which it was published.
    Published(PathBuf),
}

fn write(tmp: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
    let mut file = new_file(tmp)?;
    file.write_all(bytes).map_err(StoreError::at("writing", file.path()))?;
    Ok(file)
}

/// A file that becomes an object: mode 0444 whatever the umask, as others read it and it is never written again.
pub(crate) fn new_file(tmp: &Path) -> Result<NamedTempFile, StoreError> {
    let file = unfinished(tmp)?;
    let mode = file.as_file().set_permissions(Permissions::from_mode(0o444));
    mode.map_err(StoreError::at("setting the mode of", file.path()))?;
    Ok(file)
}

/// Where the bytes go. After a failed write it takes and drops the rest, so that the body is read to its end.
enum Sink {
    Memory(Vec<u8>),
    File(NamedTempFile),
    Failed(StoreError),
}

impl Sink {
    fn new(layout: &Layout, size: u64) -> Self {
        if size <= IN_MEMORY {
            return Self::Memory(Vec::with_capacity(usize::try_from(size).unwrap_or(0)));
        }
        new_file(layout.tmp()).map_or_else(Self::Failed, Self::File)
    }

    fn write(&mut self, piece: &[u8]) {
        match self {
            Self::Memory(bytes) => bytes.extend_from_slice(piece),
            Self::File(file) => {
                if let Err(e) = file.write_all(piece) {
                    *self = Self::Failed(StoreError::at("writing", file.path())(e));
                }
            }
            Self::Failed(_) => {}
        }
    }

    fn finish(self) -> Result<Content, StoreError> {
        match self {
            Self::Memory(bytes) => Ok(Content::Memory(bytes)),
            Self::File(file) => Ok(Content::File(file)),
            Self::Failed(error) => Err(error),
        }
    }
}

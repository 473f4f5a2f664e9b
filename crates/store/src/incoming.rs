//! A body on its way in: read once, hashed on the way, checked before anyone can see it.

use std::borrow::Cow;
use std::fs::Permissions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use proto::OutputId;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::kind::{Kind, Sniffer};
use crate::layout::Layout;
use crate::place::unfinished;
use crate::{ReceiveError, StoreError};

/// Bodies up to this size stay in memory until it is known that they must be written: nine of ten puts are smaller, and
/// a quarter of all are the empty output, which is there already.
const IN_MEMORY: u64 = 64 << 10;

/// Bytes read at a time: a body passes through the processor's cache while it is hashed and written.
const PIECE: usize = 64 << 10;

/// A checked body.
#[derive(Debug)]
pub struct Incoming {
    output: OutputId,
    size: u64,
    kind: Kind,
    content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Memory(Vec<u8>),
    File(NamedTempFile),
    /// Its file was renamed to this place, where it is seen.
    Published(PathBuf),
}

impl Incoming {
    /// Reads, hashes and checks a body.
    pub(crate) fn receive(
        layout: &Layout,
        (output, size): (OutputId, u64),
        body: &mut impl Read,
        scratch: &mut Vec<u8>,
    ) -> Result<Self, ReceiveError> {
        scratch.resize(PIECE, 0);
        let mut sink = Sink::new(layout, size);
        let mut hasher = Sha256::new();
        let mut sniffer = Sniffer::default();
        let mut left = size;
        loop {
            let n = match body.read(scratch) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(ReceiveError::Body(e)),
            };
            let piece = &scratch[..n];
            left = left.checked_sub(n as u64).ok_or(ReceiveError::Length(size))?;
            hasher.update(piece);
            sniffer.see(piece);
            sink.write(piece);
        }
        if left != 0 {
            return Err(ReceiveError::Length(size));
        }
        let content = sink.finish();
        if hasher.finalize()[..] != output.0 {
            return Err(ReceiveError::Digest);
        }
        Ok(Self { output, size, kind: sniffer.kind(), content: content? })
    }

    /// The body's sha256.
    #[must_use]
    pub fn output(&self) -> OutputId {
        self.output
    }

    /// The body's length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How cmd/go keys it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// It is known to be more than its body tells: [`Kind::StoreIndex`].
    pub fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
    }

    /// The whole body, if it is no longer than `most` bytes and can be read.
    #[must_use]
    pub fn bytes(&self, most: u64) -> Option<Cow<'_, [u8]>> {
        match &self.content {
            _ if self.size > most => None,
            Content::Memory(bytes) => Some(bytes.into()),
            Content::File(file) => {
                let mut bytes = vec![0; usize::try_from(self.size).ok()?];
                file.as_file().read_exact_at(&mut bytes, 0).ok()?;
                Some(bytes.into())
            }
            Content::Published(_) => None,
        }
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
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

/// What [`Incoming::take_file`] found.
pub(crate) enum Taken {
    /// A file without a place.
    File(NamedTempFile),
    /// The place that it has.
    Published(PathBuf),
}

fn write(tmp: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
    let mut file = new_file(tmp)?;
    file.write_all(bytes).map_err(StoreError::at("writing", file.path()))?;
    Ok(file)
}

/// A file that becomes an object: mode 0444 whatever the umask, as others read it and nobody writes it again.
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

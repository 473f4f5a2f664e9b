//! What can go wrong in a store: a variant is a failed operation with its path. A scan of everything goes on after an error and
//! keeps the first ones to be shown.

use std::io;
use std::path::{Path, PathBuf};

use proto::error::with_causes;
use rustix::io::Errno;

/// A failed operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("{verb} {}", path.display())]
    Io {
        /// What was being done.
        verb: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The directory holds a store of another format.
    #[error(
        "{}: unknown store format {found:?}; use another state directory, or remove this one to start empty",
        path.display()
    )]
    Format {
        /// The format file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// Another process has locked the record for too long: it may have been stopped.
    #[error("another process has locked {} for too long", path.display())]
    Busy {
        /// The record.
        path: PathBuf,
    },
    /// The view that should write has no partition.
    #[error("this session may write to no partition")]
    ReadOnly,
    /// A record is damaged. It counts as absent and the next put replaces it.
    #[error("damaged record {}", path.display())]
    DamagedRecord {
        /// The record.
        path: PathBuf,
    },
}

impl StoreError {
    /// Whether a file that could not be read is damaged itself, for every reader: its content (EIO, and what file systems say where
    /// a checksum is wrong) or its mode. What a process or the system lacks for a while is no damage.
    pub(crate) fn is_damage(&self) -> bool {
        let damage = [Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::ACCESS].map(Errno::raw_os_error);
        match self {
            Self::DamagedRecord { .. } => true,
            Self::Io { source, .. } => source.raw_os_error().is_some_and(|errno| damage.contains(&errno)),
            Self::Format { .. } | Self::Busy { .. } | Self::ReadOnly => false,
        }
    }

    /// A system call on a path that failed, for `map_err`; `verb` is what was done, such as "opening".
    pub fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { verb, path, source }
    }
}

/// Why a body was not staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The body itself could not be read; its stream may be out of step.
    #[error("reading the body")]
    Body(#[source] io::Error),
    /// It ended early or went on after its declared size.
    #[error("the body is not {0} bytes long")]
    Length(u64),
    /// Its sha256 is not the output id. It was read to its end.
    #[error("the body's sha256 is not the output id")]
    Digest,
    /// It could not be written. It was read to its end.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Errors of one scan that are shown.
const MOST_ERRORS: usize = 10;

/// Keeps an error to be shown, if there is room.
pub(crate) fn keep_error(errors: &mut Vec<String>, error: &StoreError) {
    if errors.len() < MOST_ERRORS {
        errors.push(with_causes(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_lacks_is_no_damage() {
        let is_damage = |errno: Errno| StoreError::at("opening", Path::new("/record"))(errno.into()).is_damage();
        let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::INTR, Errno::STALE, Errno::NOSPC];
        assert!(lacks.into_iter().all(|errno| !is_damage(errno)));
        assert!([Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::ACCESS].into_iter().all(is_damage));
        assert!(StoreError::DamagedRecord { path: PathBuf::new() }.is_damage());
        assert!(!StoreError::Busy { path: PathBuf::new() }.is_damage());
    }
}

//! Why a download gave no file, what the go command is told, and whether another attempt may help.

use std::io;

use crate::upstream::UpstreamError;
use crate::verify::Damage;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The upstream refuses, perhaps with a reason.
    #[error("{}", if message.is_empty() { format!("the upstream answered with status {status}") } else { message.clone() })]
    Refused {
        /// Its status.
        status: u16,
        /// The text of its response.
        message: String,
    },
    /// Neither a file nor a refusal of it: a status that the go command takes for an error too, or a refusal of what
    /// remains of the file.
    #[error("the upstream answered with status {0} instead of a file")]
    UnexpectedStatus(u16),
    /// The body is not the file's own bytes.
    #[error("the upstream answered with {0}, which was not requested")]
    UnexpectedEncoding(String),
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    /// The connection was closed in order before the file's end.
    #[error("the upstream sent {0} bytes, fewer than it announced")]
    Truncated(u64),
    /// Two attempts gave two contents.
    #[error("the upstream sent different contents in two attempts")]
    ContentChanged,
    /// The file arrived completely and is not the requested one.
    #[error("the upstream sent a wrong or damaged file: {0}")]
    Damaged(#[from] Damage),
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// No space here, or the temporary file cannot be used.
    #[error("writing the temporary file of the download: {0}")]
    Spool(#[source] io::Error),
    /// No upstream may be asked (`--offline`).
    #[error("this proxy is offline, and its cache has no such file or answer")]
    Offline,
    /// A fault in this program.
    #[error("internal error in the download")]
    Internal,
}

impl DownloadError {
    /// Whether no upstream could be asked, so that the last known answer is the best one.
    pub(crate) fn is_unreachable(&self) -> bool {
        let is_lost = |e: &UpstreamError| matches!(e, UpstreamError::Unreachable(_) | UpstreamError::ConnectionLost(_));
        matches!(self, Self::Offline) || matches!(self, Self::Upstream(e) if is_lost(e))
    }

    /// The status for the go command.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Refused { status, .. } => *status,
            _ => 502,
        }
    }

    /// Whether the file does not exist: then the go command tries the next entry, whatever the separator.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404 | 410, .. })
    }

    /// The file does not exist.
    pub(crate) fn not_found() -> Self {
        Self::Refused { status: 404, message: "not found".to_owned() }
    }

    /// Whether another attempt may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Upstream(UpstreamError::ConnectionLost(_)) | Self::Truncated(_) => true,
            _ => false,
        }
    }
}

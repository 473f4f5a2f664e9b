//! Why a request to the engine failed: one variant for each thing that a user can fix, or that the caller treats differently.
//!
//! A message tells what failed, on what, why, and how to fix it. None has a credential, a query or a text of the engine.

use std::io;
use std::time::Duration;

use super::error_details::{At, BodyFault, Phase, Status, Unavailability};
use crate::breaker::Outcome;
use crate::counters::RequestOutcome;
use crate::credentials::CredentialsError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The object does not exist.
    #[error("{at}: it does not exist")]
    Missing {
        /// What was asked for.
        at: At,
    },
    /// The engine refuses what the credentials ask for.
    #[error(
        "{at}: access denied ({status}): give these credentials the right to it; S3 engines also answer this for a missing object, where \
         the credentials may not list the bucket, and for unknown keys"
    )]
    Denied {
        /// What was asked for.
        at: At,
        /// The answer.
        status: Status,
        /// Whether an object that does not exist is the likely cause: it is a read, and another read had success.
        is_likely_missing: bool,
    },
    /// The engine does not know the key, or computes another signature.
    #[error("{at}: wrong key ({status}): correct the access key id and the secret access key in the credentials")]
    WrongKey {
        /// What was asked for.
        at: At,
        /// The answer.
        status: Status,
    },
    /// The credentials are too old.
    #[error(
        "{at}: the credentials expired ({status}): write new ones into their file; they are read again with the next request"
    )]
    Expired {
        /// What was asked for.
        at: At,
        /// The answer.
        status: Status,
    },
    /// This machine's clock and the engine's differ too much.
    #[error(
        "{at}: the engine refuses the time of the request{}: set the clock, with timesyncd or chrony",
        difference.map(|seconds| format!(", this machine's clock is {} s {}", seconds.unsigned_abs(), if seconds < 0 { "behind" } else { "ahead" }))
            .unwrap_or_default()
    )]
    Clock {
        /// What was asked for.
        at: At,
        /// How many seconds this machine is ahead of the engine's `Date` header.
        difference: Option<i64>,
    },
    /// The bucket lies in another region.
    #[error(
        "{at}: `{used}` is not the bucket's region: set the region to {}",
        expected.as_ref().map_or_else(|| "the one that the engine expects".to_owned(), |region| format!("`{region}`"))
    )]
    Region {
        /// What was asked for.
        at: At,
        /// The region that was used.
        used: String,
        /// The region that the engine names.
        expected: Option<String>,
    },
    /// The bucket does not exist.
    #[error("{at}: the bucket does not exist: create it, or correct the remote's URL or its endpoint")]
    NoBucket {
        /// What was asked for.
        at: At,
    },
    /// A `WebDAV` server does not make directories, or has nothing at this URL.
    #[error(
        "{at}: the directory does not exist on the server (status {status}): correct the remote's URL, or let the server make directories (nginx: \
         create_full_put_path on)"
    )]
    NoDirectory {
        /// What was asked for.
        at: At,
        /// The status of HTTP.
        status: u16,
    },
    /// The engine does not answer, or says that it cannot.
    #[error("{at}: the engine is not available: {cause}")]
    Unavailable {
        /// What was asked for.
        at: At,
        /// Why.
        #[source]
        cause: Unavailability,
    },
    /// A deadline passed.
    #[error("{at}: the engine is too slow: {}", phase.shown(*limit))]
    Slow {
        /// What was asked for.
        at: At,
        /// What was waited for.
        phase: Phase,
        /// How long.
        limit: Duration,
    },
    /// The object is larger than the caller takes, or than the engine does.
    #[error("{at}: larger than {}", limit.map_or_else(|| "the engine accepts: raise its limit (nginx: client_max_body_size)".to_owned(), |n| format!("the limit of {n} bytes")))]
    TooLarge {
        /// What was asked for.
        at: At,
        /// The caller's limit; `None` where it is the engine's.
        limit: Option<u64>,
    },
    /// The body is not what was announced or asked for.
    #[error("{at}: {fault}")]
    Body {
        /// What was asked for.
        at: At,
        /// What is wrong.
        #[source]
        fault: BodyFault,
    },
    /// The engine got other bytes than the digest says.
    #[error(
        "{at}: the engine received other bytes than were announced ({status}): the file changed, or a proxy changes requests"
    )]
    Digest {
        /// What was asked for.
        at: At,
        /// The answer.
        status: Status,
    },
    /// No TLS connection can be made.
    #[error(
        "{at}: no TLS connection: {source}; check the certificate of the engine and the certificates that this machine trusts"
    )]
    Tls {
        /// What was asked for.
        at: At,
        /// The library's answer.
        source: Box<ureq::Error>,
    },
    /// The answer is none that HTTP or S3 allows here.
    #[error(
        "{at}: unexpected answer: {what}; check that the remote's URL leads to the engine and not to another server"
    )]
    Protocol {
        /// What was asked for.
        at: At,
        /// What it was.
        what: String,
    },
    /// The engine cannot do this.
    #[error("{at}: {what}")]
    Unsupported {
        /// What was asked for.
        at: At,
        /// What it cannot do, and what to do.
        what: &'static str,
    },
    /// Too many requests failed: none is sent for a while.
    #[error("{at}: not tried: requests failed or were slow, the next attempt is made in {} s", left.as_secs())]
    Paused {
        /// What was asked for.
        at: At,
        /// How long.
        left: Duration,
    },
    /// There are no credentials.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A file that is to be sent cannot be read.
    #[error("{at}: cannot read the file to send: {source}")]
    File {
        /// What was asked for.
        at: At,
        /// The system's answer.
        source: io::Error,
    },
}

impl EngineError {
    /// Whether the engine, or the network to it, is at fault: then others of its requests will likely fail as well.
    #[must_use]
    pub fn is_fault_of_engine(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Slow { .. } | Self::Tls { .. } | Self::Protocol { .. } => true,
            Self::Body { fault, .. } => matches!(fault, BodyFault::Cut { .. }),
            Self::Missing { .. }
            | Self::Denied { .. }
            | Self::WrongKey { .. }
            | Self::Expired { .. }
            | Self::Clock { .. }
            | Self::Region { .. }
            | Self::NoBucket { .. }
            | Self::NoDirectory { .. }
            | Self::TooLarge { .. }
            | Self::Digest { .. }
            | Self::Unsupported { .. }
            | Self::Paused { .. }
            | Self::Credentials(_)
            | Self::File { .. } => false,
        }
    }

    /// Whether the object does not exist, or most likely does not.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Denied { is_likely_missing: true, .. })
    }

    /// Whether a second attempt is worth its time.
    pub(crate) fn is_retried(&self) -> bool {
        let Self::Unavailable { cause, .. } = self else { return false };
        match cause {
            Unavailability::Status(status) => matches!(status.status, 500 | 503),
            Unavailability::Lost(_) => true,
            Unavailability::Connect(_) => false,
        }
    }

    /// What a breaker makes of it.
    pub(crate) fn breaker_outcome(&self) -> Outcome {
        match self {
            Self::Slow { .. } => Outcome::Slow,
            Self::Paused { .. } | Self::Credentials(_) | Self::File { .. } => Outcome::NotAsked,
            _ if self.is_fault_of_engine() => Outcome::Fault,
            _ => Outcome::Answered,
        }
    }

    /// What a request that ends with it counts as; `None` where none was sent.
    pub(crate) fn request_outcome(&self) -> Option<RequestOutcome> {
        Some(match self {
            Self::Missing { .. } => RequestOutcome::Missing,
            Self::Region { .. } => RequestOutcome::Redirected,
            Self::Unavailable { .. } | Self::Tls { .. } => RequestOutcome::Unavailable,
            Self::Slow { .. } => RequestOutcome::Slow,
            Self::Body { .. } | Self::Protocol { .. } => RequestOutcome::Invalid,
            Self::Denied { .. }
            | Self::WrongKey { .. }
            | Self::Expired { .. }
            | Self::Clock { .. }
            | Self::NoBucket { .. }
            | Self::NoDirectory { .. }
            | Self::TooLarge { .. }
            | Self::Digest { .. }
            | Self::Unsupported { .. } => RequestOutcome::Refused,
            Self::Paused { .. } | Self::Credentials(_) | Self::File { .. } => return None,
        })
    }

    /// The error that a failed read of a [`crate::engine::Reply`] holds.
    #[must_use]
    pub fn of_read(error: io::Error) -> Option<Self> {
        error.into_inner()?.downcast::<Self>().ok().map(|error| *error)
    }
}

//! What is wrong with a file that is not the expected one.

use std::io;

use zip::result::ZipError;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("reading it: {0}")]
    Read(#[from] io::Error),
    #[error("it is not a zip file: {0}")]
    Zip(#[from] ZipError),
    #[error("it is {0}")]
    Is(&'static str),
    #[error("its hash is {found}, expected {expected}")]
    Hash { found: String, expected: String },
}

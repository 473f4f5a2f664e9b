//! A file from the cache: its bytes, and the output of its record.

use std::fs::File;

use proto::Output;

/// A cached file. Its content is not checked yet.
#[derive(Debug)]
pub(crate) struct CachedFile {
    pub(crate) output: Output,
    pub(crate) file: File,
}

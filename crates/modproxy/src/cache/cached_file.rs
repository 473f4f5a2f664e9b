//! A file from the cache: its bytes, and the output id and size of its record.

use std::fs::File;

use proto::OutputId;

/// A cached file. Its content is not checked yet.
#[derive(Debug)]
pub(crate) struct CachedFile {
    pub(crate) output: OutputId,
    pub(crate) size: u64,
    pub(crate) file: File,
}

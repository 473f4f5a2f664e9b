//! An index: which actions of a build have which outputs, under which condition, and in which frames of which files those are. Signed by
//! its writer.
//!
//! ```text
//! "gcpidx1\n"
//! partition, toolchain, name     texts
//! created                        8 bytes, seconds since 1970
//! files                          list of: sha256 (32), size (8), created (8)
//! frames                         list of: file (2), offset (4), length (4), length before compression (4), sha256 of the compressed bytes (32)
//! outputs                        list of: sha256 (32), size (4), frame (4), offset in the frame before compression (4)
//! conditions                     list of: scope (text), digest (32)
//! entries                        list of: action (32), output (4), condition (2: 0 for none, else its number from 1), cost (4, ms), time (8)
//! key's name                     text
//! signature                      64 bytes, over all bytes before the key's name
//! ```
//!
//! A text has its length of two bytes before it, a list its count of four; numbers are little-endian. Outputs and entries are in the order
//! of their first use. Everything refers to what stands before it, so a reader checks each reference as it reads.

mod codec;

use proto::{ActionId, Condition, Output, OutputId};

use crate::content_hash::ContentHash;
use crate::limits;
use crate::series::Series;

/// A frame file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its name is made of it.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// When it was put, in seconds since 1970: a rule of the store may remove it so long after that.
    pub created: u64,
}

/// One zstd frame: several outputs, one after the other, or a large one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The number of its file.
    pub file: u16,
    /// Where it begins there.
    pub offset: u32,
    /// Its bytes there.
    pub length: u32,
    /// Its bytes before compression.
    pub raw_length: u32,
    /// Of its bytes in the file: they are verified before they are decompressed.
    pub hash: ContentHash,
}

/// An output in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// The output.
    pub id: OutputId,
    /// Bytes.
    pub size: u32,
    /// The number of its frame.
    pub frame: u32,
    /// Where it begins in that, before compression.
    pub offset: u32,
}

/// An action and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The action.
    pub action: ActionId,
    /// Its output.
    pub output: Output,
    /// Where it is true; `None`: everywhere.
    pub condition: Option<Condition>,
    /// What it cost to make, in milliseconds.
    pub cost_ms: u32,
    /// When its writer used it last, in seconds since 1970.
    pub time: u64,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Of which builds it is.
    pub series: Series,
    /// When it was written, in seconds since 1970.
    pub created: u64,
    /// All that frames are in.
    pub files: Vec<File>,
    /// All that outputs are in.
    pub frames: Vec<Frame>,
    /// In the order of first use.
    pub outputs: Vec<Packed>,
    /// In the order of first use. Each output is one of `outputs`.
    pub entries: Vec<Entry>,
}

/// Why an index is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It is longer than an index can be.
    #[error("it has more than {} bytes", limits::INDEX)]
    TooLarge,
    /// It is something else, cut off, or of a newer version.
    #[error("it is no index of version 1, or a part of it is missing")]
    Format,
    /// No key of the settings made its signature.
    #[error("its signature is by no trusted key (--trusted-public-keys)")]
    Untrusted,
    /// It is a good index of other builds.
    #[error("it is the index of {0}, and the head is of others")]
    OtherBuilds(Series),
}

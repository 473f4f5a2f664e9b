//! An output: what an action makes, by its id and its size. The two travel together, as a file is checked by both.

use crate::OutputId;

/// An output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Output {
    /// The sha256 of its bytes.
    pub id: OutputId,
    /// Their number.
    pub size: u64,
}

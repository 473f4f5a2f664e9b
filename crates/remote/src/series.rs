//! Which builds a head and an index are of: those of one name, with one toolchain, of one partition.

use std::fmt;

use crate::limits;

/// The name under which Go's own packages of a toolchain are kept, for builds of a name that has nothing. No derivation has it: Nix takes no
/// colon (libstore/path.cc `checkName`).
pub const STD: &str = ":std";

/// Builds that share a head.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    /// `common`, or one of a single user: builds read their own and the common one.
    pub partition: String,
    /// The toolchain's namespace, 32 hex digits.
    pub toolchain: String,
    /// The builds' name without its version, or [`STD`].
    pub name: String,
}

/// A part of a [`Series`] that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeries {
    /// Of the partition.
    #[error("a partition is written common or user-UID")]
    Partition,
    /// Of the toolchain.
    #[error("a toolchain is 32 hex digits")]
    Toolchain,
    /// Of the name.
    #[error("a build's name is 1 to {} bytes without a control character", limits::NAME)]
    Name,
}

impl Series {
    /// What these three name.
    ///
    /// # Errors
    /// [`InvalidSeries`] names the one that is none.
    pub fn new(partition: &str, toolchain: &str, name: &str) -> Result<Self, InvalidSeries> {
        let is_uid = |uid: &str| uid.parse::<u32>().is_ok_and(|number| number.to_string() == uid);
        let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if partition != "common" && !partition.strip_prefix("user-").is_some_and(is_uid) {
            return Err(InvalidSeries::Partition);
        }
        if toolchain.len() != 32 || !toolchain.chars().all(is_digit) {
            return Err(InvalidSeries::Toolchain);
        }
        if name.is_empty() || name.len() > limits::NAME || name.chars().any(char::is_control) {
            return Err(InvalidSeries::Name);
        }
        let [partition, toolchain, name] = [partition, toolchain, name].map(str::to_owned);
        Ok(Self { partition, toolchain, name })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.partition, self.toolchain, self.name)
    }
}

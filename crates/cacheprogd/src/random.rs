//! Random bytes.

use std::fs::File;
use std::io::{self, Read};

/// So many bytes that no other process can guess.
///
/// # Errors
/// Where `/dev/urandom` cannot be read.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

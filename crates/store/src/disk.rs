//! The disk on which a store is: how large it is, and what is free on it.

use std::io;
use std::path::Path;

/// A file system, by its bytes and its inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// All its bytes.
    pub size: u64,
    /// Those that may be written to.
    pub free: u64,
    /// All its inodes; 0 where a file system makes them as they are needed (btrfs), or does not say.
    pub inodes: u64,
    /// Those that are free.
    pub free_inodes: u64,
}

impl Disk {
    /// The disk on which a directory is.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let (inodes, free_inodes) = (stat.f_files, stat.f_favail);
        Ok(Self { size: bytes(stat.f_blocks), free: bytes(stat.f_bavail), inodes, free_inodes })
    }
}

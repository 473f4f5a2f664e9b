//! The derivation of a build as a file. drv.rs reads what is in it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of a derivation that are read. Those of Go packages have about 5,000; only whole systems exceed a million.
const MAX_DERIVATION_SIZE: u64 = 4 << 20;

/// The bytes of a derivation, the first ones of a large one.
///
/// # Errors
/// Where it is not there: Nix sends none to most remote builders.
pub(crate) fn read(path: &Path, chroot: Option<&Path>) -> io::Result<Vec<u8>> {
    let read = |path: &Path| {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_DERIVATION_SIZE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read(path).or_else(|e| path_beside_chroot(chroot).map_or(Err(e), |real| read(&real)))
}

/// The bytes of a derivation that a build needs; they lie in one directory.
///
/// # Errors
/// Where it is not there.
pub(crate) fn read_input(path: &Path, chroot: Option<&Path>) -> io::Result<Vec<u8>> {
    read(path, None).or_else(|e| {
        let beside = path_beside_chroot(chroot).zip(path.file_name()).map(|(real, name)| real.with_file_name(name));
        beside.map_or(Err(e), |path| read(&path, None))
    })
}

/// With a diverted store (`--store /tmp/x`) the derivation is not at its path, but beside its chroot:
/// `….drv.chroot[/root]` (docs/facts/nix.md, "How the hook is called").
fn path_beside_chroot(chroot: Option<&Path>) -> Option<PathBuf> {
    let chroot = chroot?.to_str()?;
    let chroot = chroot.strip_suffix("/root").unwrap_or(chroot);
    chroot.strip_suffix(".chroot").map(PathBuf::from)
}

//! Names in store paths.

use std::path::Path;

/// The name of a Go toolchain in nixpkgs, up to its version: `go-1.26.8`.
const TOOLCHAIN_PREFIX: &str = "go-";

/// The name in a store path: the part after the hash.
pub(crate) fn store_name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once('-').map_or("", |(_, name)| name)
}

/// The name of a derivation by its path; empty where it is no path of a derivation.
pub(crate) fn derivation_name(path: &Path) -> &str {
    store_name(path.to_str().and_then(|path| path.strip_suffix(".drv")).unwrap_or_default())
}

/// Whether it is the name of a Go toolchain.
pub(crate) fn is_toolchain(name: &str) -> bool {
    name.strip_prefix(TOOLCHAIN_PREFIX).is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

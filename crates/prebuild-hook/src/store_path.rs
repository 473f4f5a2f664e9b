//! Names in store paths.

/// The name of a Go toolchain in nixpkgs, up to its version: `go-1.26.8`.
const TOOLCHAIN_PREFIX: &str = "go-";

/// The name in a store path: the part after the hash.
pub(crate) fn store_name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once('-').map_or("", |(_, name)| name)
}

/// Whether it is the name of a Go toolchain.
pub(crate) fn is_toolchain(name: &str) -> bool {
    name.strip_prefix(TOOLCHAIN_PREFIX).is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

//! How a store's directory is named to cmd/go.

use std::fs;
use std::path::Path;

/// How `dir` is named to cmd/go: as a path that begins with `GOCACHE`, with `..` where it lies elsewhere. `go build -o lib.a`
/// copies a file whose path begins so; it makes any other file writable and renames it, out of the cache
/// (cmd/go/internal/work/shell.go `moveOrCopyFile`, Go 1.21-1.27: `strings.HasPrefix(src, cacheDir)`).
pub(super) fn path_for_go(dir: &Path, gocache: Option<&Path>) -> String {
    let plain = dir.to_string_lossy().into_owned();
    let Some(gocache) = gocache.and_then(Path::to_str) else { return plain };
    if plain.starts_with(gocache) {
        return plain;
    }
    // `..` leads to the parent of the real directory, not to the parent of a link.
    let Ok(real) = fs::canonicalize(gocache) else { return plain };
    let up = "/..".repeat(real.components().count() - 1);
    format!("{}{up}{plain}", gocache.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_with_gocache_and_lead_to_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let (store, gocache, link) =
            (dir.path().join("store"), dir.path().join("a/b/gocache"), dir.path().join("link"));
        fs::create_dir_all(&store).unwrap();
        fs::create_dir_all(&gocache).unwrap();
        std::os::unix::fs::symlink(&gocache, &link).unwrap();
        for gocache in [&gocache, &link] {
            let path = path_for_go(&store, Some(gocache));
            assert!(path.starts_with(gocache.to_str().unwrap()), "{path}");
            assert_eq!(fs::canonicalize(&path).unwrap(), fs::canonicalize(&store).unwrap(), "{path}");
        }
        let spool = gocache.join("00/nix-gocacheprog-spool");
        assert_eq!(path_for_go(&spool, Some(&gocache)), spool.to_str().unwrap());
        assert_eq!(path_for_go(&store, Some(Path::new("/nowhere/at/all"))), store.to_str().unwrap());
        assert_eq!(path_for_go(&store, None), store.to_str().unwrap());
    }
}

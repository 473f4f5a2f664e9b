//! Where a user's own store is: `cacheprog-client` writes it, `cacheprogctl` reads it. Pure: values of variables are arguments.

use std::path::PathBuf;

/// Its name in the user's cache directory.
const NAME: &str = "nix-gocacheprog";

/// The directory, by the values of `XDG_CACHE_HOME` and `HOME`. `None` where neither is an absolute path on one line: cmd/go writes
/// paths into files, one a line.
#[must_use]
pub fn own_store_dir(cache_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let usable = |path: &PathBuf| path.is_absolute() && path.to_str().is_some_and(|text| !text.contains(['\n', '\r']));
    let cache = cache_home.filter(usable).or_else(|| home.filter(usable).map(|home| home.join(".cache")));
    cache.map(|cache| cache.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_in_the_users_cache_directory() {
        let dir = |cache: &str, home: &str| own_store_dir(Some(cache.into()), Some(home.into()));
        assert_eq!(dir("/c", "/h"), Some("/c/nix-gocacheprog".into()));
        for unusable in ["", "c", "/c\nd"] {
            assert_eq!(dir(unusable, "/h"), Some("/h/.cache/nix-gocacheprog".into()), "{unusable:?}");
        }
        assert_eq!(dir("c", "h"), None);
        assert_eq!(own_store_dir(None, None), None);
    }
}

//! What keeps `cacheprog-client` from writing a store, or from reading it, and the fix, in a line.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use store::{Unwritable, unwritable};

/// Levels below the store's directory: `records/<namespace>/<1 hex>`.
const LEVELS: usize = 3;

/// The line; `None` where nothing does. A store that is only read is none of this user's, and needs no fix.
pub(crate) fn problem(root: &Path) -> Option<String> {
    let refused = unwritable(root, LEVELS)?;
    let owner = |dir: &Path| fs::metadata(dir).ok().map(|metadata| metadata.uid());
    Some(text(root, &refused, [owner(root), owner(&refused.dir)]))
}

/// `owners`: of the store's directory, and of the refused one, as far as they are known.
fn text(root: &Path, refused: &Unwritable, owners: [Option<u32>; 2]) -> String {
    let is_whole_store = refused.dir == root;
    let (root, dir) = (root.display(), refused.dir.display());
    let what = if refused.is_readable { "written" } else { "read or written" };
    match owners {
        _ if is_whole_store => format!("{dir} cannot be {what} by this user: cacheprog-client stores nothing in it"),
        [Some(of_root), Some(of_dir)] if of_root != of_dir => format!(
            "{dir} belongs to uid {of_dir} and cannot be {what} by this user; fix, as root: chown -R --reference={root} {root}"
        ),
        _ => format!("{dir} cannot be {what} by this user; fix: chmod -R u+rwX {root}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_is_one_line_with_its_fix_and_a_store_that_is_only_read_needs_none() {
        let told = |dir: &str, is_readable, owners: [u32; 2]| {
            text(Path::new("/s"), &Unwritable { dir: dir.into(), is_readable }, owners.map(Some))
        };
        let foreign = told("/s/objects", false, [1000, 0]);
        assert_eq!(
            foreign,
            "/s/objects belongs to uid 0 and cannot be read or written by this user; fix, as root: chown -R --reference=/s /s"
        );
        assert!(told("/s/tmp", true, [1000, 1000]).ends_with("cannot be written by this user; fix: chmod -R u+rwX /s"));
        assert!(!told("/s", true, [0, 0]).contains("fix"));
    }
}

//! Which directory of a store this process may not write to. A store that is only read has none that it may; one in which `sudo go build`
//! left directories of root has some.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::dirs::subdirectories;

/// A directory of a store that this process may not write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAccess {
    /// The directory.
    pub dir: PathBuf,
    /// Whether it may be read.
    pub is_readable: bool,
}

/// The first one: the store's own directory, or one of those in it, as many levels down. `None` where all may be written, or there is no
/// store. On a file system that is mounted read-only it is the store's own one.
#[must_use]
pub fn no_access(root: &Path, levels: usize) -> Option<NoAccess> {
    if !root.is_dir() {
        return None;
    }
    let may = |what| access(root, what | Access::EXEC_OK).is_ok();
    if !may(Access::WRITE_OK) {
        return Some(NoAccess { dir: root.to_owned(), is_readable: may(Access::READ_OK) });
    }
    let inner = if levels > 0 { subdirectories(root).unwrap_or_default() } else { Vec::new() };
    let mut refused: Vec<_> = inner.iter().filter_map(|dir| no_access(dir, levels - 1)).collect();
    refused.sort_by(|a, b| (a.is_readable, &a.dir).cmp(&(b.is_readable, &b.dir)));
    refused.into_iter().next()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_directory_that_cannot_be_written_is_found_down_to_a_level_and_what_cannot_be_read_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let [written, read, closed] = ["a", "b/read", "b/shut"].map(|name| dir.path().join(name));
        [&written, &read, &closed].iter().for_each(|path| fs::create_dir_all(path).unwrap());
        assert_eq!(no_access(dir.path(), 2), None);
        assert_eq!(no_access(&dir.path().join("none"), 2), None);
        fs::set_permissions(&read, Permissions::from_mode(0o500)).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        // Root may write to any.
        let is_root = rustix::process::geteuid().is_root();
        let expected = (!is_root).then_some(NoAccess { dir: closed.clone(), is_readable: false });
        assert_eq!(no_access(dir.path(), 2), expected);
        assert_eq!(no_access(dir.path(), 1), None);
        assert_eq!(no_access(&read, 0).is_none(), is_root);
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    }
}

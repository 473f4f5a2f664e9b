//! Which directory of a store this process may not write to. A store that is only read has none that it may; one in which `sudo go build`
//! left directories of root has some.

use std::path::{Path, PathBuf};

use rustix::fs::{Access as Ask, access};

use crate::dirs::names;
use crate::format::layout::{Access, Layout, is_fan_out};
use crate::format::namespace::Namespace;

/// A directory of a store that this process may not write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable {
    /// The directory.
    pub dir: PathBuf,
    /// Whether it may be read.
    pub is_readable: bool,
}

/// The first one: the store's own directory, or one of those that the store made in it, as many levels down. `None` where all may be
/// written, or there is no store. On a file system that is mounted read-only it is the store's own one. What else is in the store's
/// directory, as `lost+found` on a volume of its own, is not looked at.
#[must_use]
pub fn unwritable(root: &Path, levels: usize) -> Option<Unwritable> {
    let layout = Layout::new(root.to_owned(), Access::Owner);
    first_of(&layout, root, levels)
}

fn first_of(layout: &Layout, dir: &Path, levels: usize) -> Option<Unwritable> {
    if !dir.is_dir() {
        return None;
    }
    let may = |what| access(dir, what | Ask::EXEC_OK).is_ok();
    if !may(Ask::WRITE_OK) {
        return Some(Unwritable { dir: dir.to_owned(), is_readable: may(Ask::READ_OK) });
    }
    let inner = if levels > 0 { made_in(layout, dir) } else { Vec::new() };
    let mut refused: Vec<_> = inner.iter().filter_map(|dir| first_of(layout, dir, levels - 1)).collect();
    refused.sort_by(|a, b| (a.is_readable, &a.dir).cmp(&(b.is_readable, &b.dir)));
    refused.into_iter().next()
}

/// The directories that a store has in one of its own, as far as a program without a daemon puts something in them: none in those of
/// builds.
fn made_in(layout: &Layout, dir: &Path) -> Vec<PathBuf> {
    let records = layout.all_records();
    let is_made: fn(&str) -> bool = if dir == layout.root() {
        return layout.directories().map(|(dir, _)| dir).into();
    } else if dir == records {
        Namespace::is_name
    } else if dir == layout.objects() || dir.parent() == Some(&records) {
        is_fan_out
    } else {
        return Vec::new();
    };
    let names = names(dir).unwrap_or_default();
    names.iter().filter(|name| is_made(name)).map(|name| dir.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use proto::wire::Toolchain;

    use super::*;
    use crate::format::namespace::Partition;

    #[test]
    fn the_first_directory_that_cannot_be_written_is_found_down_to_a_level_and_what_cannot_be_read_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let [written, read, closed] = ["builds", "objects/a", "objects/b"].map(|name| dir.path().join(name));
        [&written, &read, &closed].iter().for_each(|path| fs::create_dir_all(path).unwrap());
        assert_eq!(unwritable(dir.path(), 2), None);
        assert_eq!(unwritable(&dir.path().join("none"), 2), None);
        fs::set_permissions(&read, Permissions::from_mode(0o500)).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        // Root may write to any.
        let is_root = rustix::process::geteuid().is_root();
        let expected = (!is_root).then_some(Unwritable { dir: closed.clone(), is_readable: false });
        assert_eq!(unwritable(dir.path(), 2), expected);
        assert_eq!(unwritable(dir.path(), 1), None);
        assert_eq!(unwritable(&read, 0).is_none(), is_root);
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn only_directories_that_the_store_makes_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let namespace = Namespace::new(Partition::Common, &Toolchain::default());
        let records = format!("records/{}", namespace.name());
        let made = [&records, "objects/0", "builds", "tmp"].map(|name| root.join(name));
        made.iter().for_each(|path| fs::create_dir_all(path).unwrap());
        let foreign = ["lost+found", "mine", "objects/lost+found", "records/mine", "builds/mine", "tmp/mine"];
        let layout = Layout::new(root.to_owned(), Access::Owner);
        let looked_at = || {
            let all = [root, &layout.objects(), &layout.all_records(), &made[0], &layout.builds()];
            all.map(|dir| made_in(&layout, dir))
        };
        let before = looked_at();
        for name in foreign.map(String::from).into_iter().chain([format!("{records}/mine")]) {
            fs::create_dir(root.join(&name)).unwrap();
            fs::set_permissions(root.join(&name), Permissions::from_mode(0o000)).unwrap();
        }
        assert_eq!(unwritable(root, 3), None);
        // Root may write to any: the same ones are looked at.
        assert_eq!(looked_at(), before);
        assert_eq!(before.map(|dirs| dirs.len()), [4, 1, 1, 0, 0]);
    }
}

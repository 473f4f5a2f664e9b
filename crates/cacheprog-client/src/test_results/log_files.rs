//! The files that a test's log names.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use store::TEST_LOG;

use crate::test_context::TestContext;

use super::content_hash::PathUse;

/// Directories of kernel interfaces: their content is never the same, and they are no inputs of a test.
const KERNEL_DIRS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Names in these directories that lead to files after all.
const LINKS_TO_FILES: [&str; 5] = ["cwd", "root", "fd", "shm", ".."];

/// Adds the files that a log names, as absolute paths, with the use of each. `None` where that cannot be told.
pub(super) fn add_files(
    log: &[u8],
    (root, dir): (&Path, &Path),
    context: &TestContext,
    files: &mut BTreeMap<String, PathUse>,
) -> Option<()> {
    let mut pwd = dir.to_owned();
    for line in str::from_utf8(&log[TEST_LOG.len()..]).ok()?.strip_suffix('\n').unwrap_or_default().split('\n') {
        if line.is_empty() {
            continue;
        }
        let (operation, name) = line.split_once(' ')?;
        let path = pwd.join(name);
        let path_use = match operation {
            "getenv" => continue, // Go's key has their values
            "chdir" => {
                pwd.clone_from(&path);
                PathUse::Stat
            }
            "stat" => PathUse::Stat,
            "open" => PathUse::Open,
            _ => return None,
        };
        if is_kernel_interface(&path) {
            if path.components().any(|part| LINKS_TO_FILES.iter().any(|way| part.as_os_str() == *way)) {
                return None;
            }
            continue;
        }
        // `os.RemoveAll` of a temporary directory reads the directories around the module, which have the go command's own files.
        let is_around = root.starts_with(&path) && path != root;
        if !is_around && (path.starts_with(root) || !context.is_temporary(&path)) {
            let known = files.entry(path.into_os_string().into_string().ok()?).or_insert(path_use);
            *known = (*known).max(path_use);
        }
    }
    Some(())
}

/// Whether a path leads to a kernel interface.
pub(super) fn is_kernel_interface(path: &Path) -> bool {
    // With `..` as well: no list of this program has such a path.
    let leads_up = path.components().any(|part| part == Component::ParentDir);
    let names_one = |part: Component<'_>| KERNEL_DIRS.iter().any(|dir| part.as_os_str() == &dir[1..]);
    (leads_up && path.components().any(names_one)) || KERNEL_DIRS.iter().any(|dir| path.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_by_absolute_paths() {
        let log = "# test log\nopen x\nchdir /m/q\nstat y\nchdir z\nopen w\n";
        let mut files = BTreeMap::new();
        let context = TestContext::default();
        add_files(log.as_bytes(), (Path::new("/m"), Path::new("/m/p")), &context, &mut files).unwrap();
        let paths: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(paths, ["/m/p/x", "/m/q", "/m/q/y", "/m/q/z", "/m/q/z/w"]);
    }
}

//! What a test's log names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use store::TEST_LOG;

use crate::test_context::TestContext;

use super::content_hash::PathUse;

/// Directories of kernel interfaces: their content is never the same, and they are no inputs of a test.
const KERNEL_DIRS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Names in these directories that lead to files after all.
const LINKS_TO_FILES: [&str; 5] = ["cwd", "root", "fd", "shm", ".."];

/// What logs name.
#[derive(Debug, Default)]
pub(super) struct Logged {
    /// Files, by absolute path.
    pub(super) files: BTreeMap<String, PathUse>,
    /// Variables, also of dependencies of which no source is looked at.
    pub(super) variables: BTreeSet<String>,
}

/// Adds what a log names. `None` where that cannot be told.
pub(super) fn add_log(
    log: &[u8],
    (root, dir): (&Path, &Path),
    context: &TestContext,
    logged: &mut Logged,
) -> Option<()> {
    let mut pwd = dir.to_owned();
    for line in str::from_utf8(&log[TEST_LOG.len()..]).ok()?.strip_suffix('\n').unwrap_or_default().split('\n') {
        if line.is_empty() {
            continue;
        }
        let (operation, name) = line.split_once(' ')?;
        let path = pwd.join(name);
        let path_use = match operation {
            "getenv" => {
                logged.variables.insert(name.to_owned());
                continue;
            }
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
            let known = logged.files.entry(path.into_os_string().into_string().ok()?).or_insert(path_use);
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
    fn files_are_listed_by_absolute_paths_and_variables_by_name() {
        let log = "# test log\ngetenv HOME\nopen x\nchdir /m/q\nstat y\nchdir z\nopen w\n";
        let mut logged = Logged::default();
        let context = TestContext::default();
        add_log(log.as_bytes(), (Path::new("/m"), Path::new("/m/p")), &context, &mut logged).unwrap();
        let paths: Vec<_> = logged.files.keys().map(String::as_str).collect();
        assert_eq!(paths, ["/m/p/x", "/m/q", "/m/q/y", "/m/q/z", "/m/q/z/w"]);
        assert_eq!(logged.variables, ["HOME".to_owned()].into());
    }
}

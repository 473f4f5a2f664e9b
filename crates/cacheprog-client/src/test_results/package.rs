//! The directory in which the tests of a package run.

use std::fs;
use std::path::{Path, PathBuf};

/// The directory of a package of the main module. `None` where it cannot be told: for a package of another module, or of a module
/// inside of this one.
pub(super) fn package_dir(root: &Path, package: &str) -> Option<PathBuf> {
    let text = fs::read_to_string(root.join("go.mod")).ok()?;
    let module = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("module")).then(|| words.next()).flatten()
    })?;
    let below = package.strip_prefix(module.trim_matches(['"', '`']))?;
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    let dir = root.join(below.trim_start_matches('/'));
    if dir.ancestors().take_while(|dir| dir != &root).any(|dir| dir.join("go.mod").exists()) {
        return None;
    }
    let is_test = |name: &std::ffi::OsStr| name.as_encoded_bytes().ends_with(b"_test.go");
    fs::read_dir(&dir).ok()?.flatten().any(|entry| is_test(&entry.file_name())).then_some(dir)
}

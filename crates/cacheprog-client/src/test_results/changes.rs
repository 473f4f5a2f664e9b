//! Whether a run left something behind below the build's directory: where its result is used, it would not do so, and a later phase
//! may need it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::condition::stamp::Stamp;
use crate::test_context::{TestContext, is_of_go};

use super::budget::Budget;
use super::other_tests;

/// Nested directories: the thread that looks has a small stack.
const MAX_DEPTH: u32 = 64;

/// Digits in a row that a temporary name has: `os.MkdirTemp` and `t.TempDir` take a number below 2^32 (os/tempfile.go, Go 1.21-1.27).
/// A shorter one is rare.
const DIGITS: usize = 5;

/// Whether nothing below the build's directory changed since then, besides caches and the go command's own directories. True outside
/// of a build. While other tests of the go command run, new temporary names are taken to be theirs.
pub(super) fn is_unchanged(context: &TestContext, since: SystemTime, budget: &mut Budget) -> bool {
    is_unchanged_beside(other_tests::are_running, context, since, budget)
}

fn is_unchanged_beside(
    others_run: impl Fn() -> bool,
    context: &TestContext,
    since: SystemTime,
    budget: &mut Budget,
) -> bool {
    let Some(top) = &context.top else { return true };
    let others_ran = others_run();
    let mut look = Look { context, since, budget, temporary: BTreeSet::new() };
    if look.directory(&top.root, MAX_DEPTH).is_none() {
        return false;
    }
    look.temporary.is_empty() || others_ran || others_run()
}

struct Look<'a> {
    context: &'a TestContext,
    since: SystemTime,
    budget: &'a mut Budget,
    /// New paths that may be those of other tests.
    temporary: BTreeSet<PathBuf>,
}

impl Look<'_> {
    /// `None` where something changed, or cannot be told.
    fn directory(&mut self, dir: &Path, depth_left: u32) -> Option<()> {
        let at_start = self.context.top.as_ref().and_then(|top| top.names.get(dir));
        let mut missing = at_start.cloned().unwrap_or_default();
        for entry in fs::read_dir(dir).ok()? {
            self.budget.take_name()?;
            let entry = entry.ok()?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_new = at_start.is_some() && !missing.remove(&name);
            if self.is_apart(dir, &name, &path) {
                continue;
            }
            let Ok(metadata) = entry.metadata() else {
                // A temporary directory of another test may go meanwhile.
                if is_new { continue } else { return None }
            };
            if is_new && has_digits(&name) {
                self.temporary.insert(path);
                continue;
            }
            let is_busy = self.context.is_busy(&path);
            if (is_new && !is_busy) || !self.is_older(&metadata, is_busy)? {
                return None;
            }
            if metadata.is_dir() {
                self.directory(&path, depth_left.checked_sub(1)?)?;
            }
        }
        // What the go command makes for itself comes and goes.
        missing.iter().all(|name| is_of_go(name) || self.is_apart(dir, name, &dir.join(name))).then_some(())
    }

    /// Whether this is a cache, or a directory that a go command makes for itself among temporary ones.
    fn is_apart(&self, dir: &Path, name: &OsStr, path: &Path) -> bool {
        self.context.apart.iter().any(|apart| apart == path)
            || (self.context.temporary.iter().any(|temporary| temporary == dir) && is_of_go(name))
    }

    fn is_older(&self, metadata: &Metadata, is_busy: bool) -> Option<bool> {
        Some((metadata.is_dir() && is_busy) || Stamp::of(metadata)?.settled() < self.since)
    }
}

fn has_digits(name: &OsString) -> bool {
    name.as_encoded_bytes().split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::test_context::BuildTop;

    #[test]
    fn temporary_names_are_those_of_tests_that_run() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        let top = Some(BuildTop::read(root.clone(), &[]));
        let context = TestContext { top, temporary: vec![root.clone()], ..TestContext::default() };
        let is_unchanged =
            |others_run| is_unchanged_beside(|| others_run, &context, clock::now(), &mut Budget::of_tree());
        assert!(is_unchanged(false));
        fs::create_dir_all(root.join("TestX1234567890/001")).unwrap();
        assert!(is_unchanged(true) && !is_unchanged(false));
        fs::create_dir(root.join("go-build5")).unwrap();
        assert!(is_unchanged(true));
        fs::create_dir(root.join("coverage")).unwrap();
        assert!(!is_unchanged(true));
    }
}

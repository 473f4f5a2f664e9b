//! The list of a test's inputs, by content: with it the test's result can stand for the same test in another build.
//!
//! `go test` reuses a result while size, mode and mtime of the files that the test opened are the same
//! (cmd/go/internal/test/test.go `computeTestInputsID`, Go 1.21-1.27), and in a Nix sandbox all mtimes are the same. So this
//! client lists the files of the test's log with their content when the result is put, and a client that is offered that result
//! checks each file. A test may also read files before `m.Run`, or after it changed the directory before that: no log has them
//! (testing.go `before`). So the list has all of the module's data and of the environment too, and files outside the module,
//! which Go does not check again.
//!
//! ```text
//! nix-gocacheprog test inputs 2 <output id of the result>
//! <digest of the module's data> <digest of the variables> <the module's root>
//! <digest of what is there> <o opened, s stat> <absolute path>            in the order of paths
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use proto::{OutputId, limits};
use store::TEST_INPUTS;

use crate::condition::counted;
use crate::environment;
use crate::test_context::TestContext;

use super::budget::Budget;
use super::content_hash::{ContentHashes, PathUse};
use super::log_files::{add_files, is_kernel_interface};
use super::module_tree::ModuleTree;
use super::package::package_dir;
use super::test_logs::TestResult;

/// How often reading a module may take too long before it is given up: a go command is not to wait for a slow disk again and
/// again.
const TRIES: u32 = 3;

/// Makes lists and checks them. It keeps the digests of what it read, with stamps that show whether that is still the same.
#[derive(Debug)]
pub(crate) struct TestInputs {
    context: TestContext,
    /// When the go command started, or a moment later.
    started: SystemTime,
    /// The digest of the variables: a test may read any of them before its log begins. Made at the first use, since most go
    /// commands test nothing.
    variables: Option<String>,
    hashes: ContentHashes,
    /// The module, after it was read.
    tree: Option<ModuleTree>,
    /// How often reading it may still take too long.
    tries: u32,
}

impl TestInputs {
    pub(crate) fn new(context: TestContext, started: SystemTime) -> Self {
        let hashes = ContentHashes::default();
        Self { context, started, variables: None, hashes, tree: None, tries: TRIES }
    }

    /// The list of a test's inputs. `None` where they cannot be told, or changed since the go command started: the test may have
    /// read them before the change.
    pub(crate) fn make_list(&mut self, result: &TestResult, output: &OutputId) -> Option<Vec<u8>> {
        let root = self.context.module()?;
        let dir = package_dir(&root, &result.package)?;
        let mut files = BTreeMap::new();
        for log in &result.logs {
            add_files(log, (&root, &dir), &self.context, &mut files)?;
        }
        let mut text = first_line(output) + &self.second_line(&root)? + "\n";
        // A test that changes its tree is not listed: where its result is used, it would not change it.
        self.tree.as_ref().filter(|tree| tree.is_older(self.started))?;
        let mut budget = Budget::new();
        for (path, path_use) in files {
            let letter = if path_use == PathUse::Open { 'o' } else { 's' };
            let digest = self.hashes.digest(Path::new(&path), path_use, Some(self.started), &mut budget)?;
            text += &format!("{digest} {letter} {path}\n");
            if text.len() as u64 > limits::TEST_INPUTS {
                return None;
            }
        }
        Some(text.into_bytes())
    }

    /// Whether a list is for this result, and everything in it is the same as when it was made.
    pub(crate) fn is_current(&mut self, list: &Path, output: &OutputId) -> bool {
        let mut bytes = Vec::new();
        let read = fs::File::open(list).and_then(|file| file.take(limits::TEST_INPUTS + 1).read_to_end(&mut bytes));
        let (Ok(_), Ok(text)) = (read, str::from_utf8(&bytes)) else { return false };
        text.strip_prefix(&first_line(output)).is_some_and(|rest| self.check_lines(rest).is_some())
    }

    /// Checks all lines, up to the first one that is not the same.
    fn check_lines(&mut self, text: &str) -> Option<()> {
        let mut budget = Budget::new();
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let root = self.context.module()?;
        if lines.next()? != self.second_line(&root)? {
            return None;
        }
        let mut before = "";
        for line in lines {
            let (digest, rest) = line.split_once(' ')?;
            let (letter, path) = rest.split_once(' ')?;
            let path_use = match letter {
                "o" => PathUse::Open,
                "s" => PathUse::Stat,
                _ => return None,
            };
            // Another build made the list, so its paths are checked: each once, and none that this program would not list.
            let is_allowed = path > before && !is_kernel_interface(Path::new(path));
            if !is_allowed || digest != self.hashes.digest(Path::new(path), path_use, None, &mut budget)? {
                return None;
            }
            before = path;
        }
        Some(())
    }

    fn second_line(&mut self, root: &Path) -> Option<String> {
        self.update_tree(root)?;
        let data = &self.tree.as_ref()?.digest;
        let variables = self
            .variables
            .get_or_insert_with(|| counted::digest_for_tests(&environment::variables()).unwrap_or_default());
        Some(format!("{data} {variables} {}", root.to_str()?))
    }

    /// Reads the module, unless the tree is current.
    fn update_tree(&mut self, root: &Path) -> Option<()> {
        if self.tree.as_ref().is_some_and(|tree| tree.is_current(root)) {
            return Some(());
        }
        self.tree = None;
        let mut budget = Budget::new();
        if self.tries > 0 {
            self.tree = ModuleTree::read(root, &self.context.excluded(), &mut self.hashes, &mut budget);
        }
        if self.tree.is_none() {
            // Each try begins with the hashes that the one before has read.
            let spent = if budget.is_spent() { TRIES } else { u32::from(budget.is_late()) };
            self.tries = self.tries.saturating_sub(spent);
        }
        self.tree.is_some().then_some(())
    }
}

fn first_line(output: &OutputId) -> String {
    format!("{TEST_INPUTS}2 {output}\n")
}

#[cfg(test)]
mod tests;

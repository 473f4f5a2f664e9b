//! The list of a test's inputs, by content: with it the test's result can stand for the same test in another build.
//!
//! `go test` reuses a result while size, mode and mtime of the files that the test opened are the same
//! (cmd/go/internal/test/test.go `computeTestInputsID`, Go 1.21-1.27), and in a Nix sandbox all mtimes are the same. So this
//! client lists the files of the test's log with their content when the result is put, and a client that is offered that result
//! checks each file. A test may also read files before `m.Run`, or after it changed the directory before that: no log has them
//! (testing.go `before`). So the list has all of the module's data and of the environment too, and files outside the module,
//! which Go does not check again.
//!
//! All that lies in the build's directory and in a sandbox's own `/tmp` beside the module counts in the same way: what a source names
//! cannot tell what it reads there. Where a test's package may see more than its log has (`beyond_log.rs`), the list has all of the source tree, the module's Go sources too.
//!
//! ```text
//! nix-gocacheprog test inputs 8 <output id of the result>
//! <digest of the module's data> <digest of variables and -exec> <all: or beside:, and the digests of the tree, +, and of /tmp>
//!   <names of variables> <digest of these> <the module's root>             on the same line
//! <digest of what is there> <o opened, s stat> <absolute path>            in the order of paths
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::{OutputId, limits};
use store::TEST_INPUTS;

use crate::environment::print_error;
use crate::test_context::TestContext;

use super::beyond_log::Reach;
use super::budget::Budget;
use super::changes;
use super::content_hash::{ContentHashes, PathUse};
use super::current_tree::CurrentTree;
use super::log_files::{add_files, is_kernel_interface};
use super::main_module::MainModule;
use super::servers;
use super::surroundings::{are_unlogged, digest, digest_of, wanted};
use super::test_logs::TestResult;
use super::walk::{Extent, TreeBounds};

/// Before the digest of the whole tree.
const ALL: &str = "all:";
/// Before the digest of what the tree has beside the module, where of the module only the data counts.
const BESIDE: &str = "beside:";

/// Why nothing is given to other builds or taken from them.
const UNCLEAN: &str = "the command line brings in what no key of Go has";
const SERVER: &str = "something takes connections in the build's network";
const NOT_KNOWN: &str = "what it depends on changed, or is too much to look at";

/// Letters of what differs that are printed.
const MAX_SHOWN: usize = 300;
/// Bytes of names of variables in a list.
const MAX_NAMES: usize = 16 << 10;

/// Makes lists and checks them. It keeps the digests of what it read, with stamps that show whether that is still the same.
#[derive(Debug)]
pub(crate) struct TestInputs {
    context: TestContext,
    /// When the go command started, or a moment later.
    started: SystemTime,
    /// The digest of what surrounds a test: it may read any variable before its log begins. Made at the first use, since most go
    /// commands test nothing.
    surroundings: Option<String>,
    hashes: ContentHashes,
    module: CurrentTree,
    whole: CurrentTree,
    beside: CurrentTree,
    own_tmp: BTreeMap<PathBuf, CurrentTree>,
    reach: Reach,
    /// Why the go command's results are not for others, if they are not: its invocation brings in what no key holds, or a run left
    /// something behind.
    private: Option<String>,
    /// Whether there was a server in the build's network: its tests may have asked it, and may do so.
    had_server: bool,
}

impl TestInputs {
    pub(crate) fn new(context: TestContext, started: SystemTime) -> Self {
        let is_clean = context.invocation.is_clean(&context.goroot);
        let private = (!is_clean).then(|| UNCLEAN.to_owned());
        let [module, whole, beside] = [Extent::Data, Extent::All, Extent::All].map(CurrentTree::new);
        let reach = Reach::new(wanted(&context));
        let mut new = Self {
            context,
            started,
            surroundings: None,
            hashes: ContentHashes::default(),
            module,
            whole,
            beside,
            own_tmp: BTreeMap::new(),
            reach,
            private,
            had_server: false,
        };
        new.look_for_servers(); // one may be gone when a result is put
        new
    }

    /// Whether there is a server, or was one.
    fn look_for_servers(&mut self) -> bool {
        self.had_server = self.had_server || self.context.net.as_deref().is_some_and(servers::are_there);
        self.had_server
    }

    /// The list of a test's inputs. `None` where they cannot be told, or changed since the go command started: the test may have
    /// read them before the change. The reason is printed for those who want it.
    pub(crate) fn make_list(&mut self, result: &TestResult, output: &OutputId) -> Option<Vec<u8>> {
        let is_verbose = self.context.is_verbose;
        let explain = |why: &String| {
            if is_verbose {
                print_error(&format!("the test result of {} is private: {why}", result.package));
            }
        };
        self.list_or_reason(result, output).inspect_err(explain).ok()
    }

    fn list_or_reason(&mut self, result: &TestResult, output: &OutputId) -> Result<Vec<u8>, String> {
        if self.look_for_servers() {
            return Err(SERVER.to_owned());
        }
        // What a run left behind may be of any test before this one.
        if self.private.is_none() {
            let changed = changes::first_change(&self.context, self.started, &mut Budget::of_tree());
            self.private = changed.map(|path| format!("this test or one before it changed {}", path.display()));
        }
        if let Some(why) = &self.private {
            return Err(why.clone());
        }
        self.list(result, output).ok_or_else(|| NOT_KNOWN.to_owned())
    }

    fn list(&mut self, result: &TestResult, output: &OutputId) -> Option<Vec<u8>> {
        let root = self.context.module()?;
        let module = MainModule::read(&root)?;
        let dir = module.directory_of_tests(&result.package)?;
        let mut files = BTreeMap::new();
        for log in &result.logs {
            add_files(log, (&root, &dir), &self.context, &mut files)?;
        }
        let seen = self.reach.look(&module, &dir, &mut Budget::of_tree())?;
        if seen.runs_programs {
            // What was installed is no part of the tree: flags may make another program of the same sources.
            let names = |dir: &PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
            let programs = self.context.programs.iter().flat_map(|dir| names(dir).chain([dir.clone()]));
            files.extend(programs.filter_map(|path| Some((path.to_str()?.to_owned(), PathUse::Open))));
        }
        let needs_tree = seen.is_unlogged || are_unlogged(&self.context)?;
        let names = seen.variables.into_iter().collect::<Vec<_>>().join(",");
        let mut text = first_line(output) + &self.second_line(&root, needs_tree, &names)? + "\n";
        // A test that changes its tree is not listed: where its result is used, it would not change it.
        let tree = if needs_tree { &self.whole } else { &self.beside };
        if ![&self.module, tree].into_iter().chain(self.own_tmp.values()).all(|tree| tree.is_older(self.started)) {
            return None;
        }
        let mut budget = Budget::new();
        for (path, path_use) in files {
            let digest = self.hashes.digest(Path::new(&path), path_use, Some(self.started), &mut budget)?;
            text += &line(&digest, path_use, &path);
            if text.len() as u64 > limits::TEST_INPUTS {
                return None;
            }
        }
        Some(text.into_bytes())
    }

    /// Whether a list is for this result, and everything in it is the same as when it was made. What differs first is printed for
    /// those who want it.
    pub(crate) fn is_current(&mut self, list: &Path, output: &OutputId) -> bool {
        let mut bytes = Vec::new();
        let read = fs::File::open(list).and_then(|file| file.take(limits::TEST_INPUTS + 1).read_to_end(&mut bytes));
        let (Ok(_), Ok(text)) = (read, str::from_utf8(&bytes)) else { return false };
        let Some(rest) = text.strip_prefix(&first_line(output)) else { return false };
        let difference = self.first_difference(rest);
        if let Some(what) = &difference
            && self.context.is_verbose
        {
            // Another build made the list.
            let what: String = what.escape_debug().take(MAX_SHOWN).collect();
            print_error(&format!("another build's result of a test is not used: {what}"));
        }
        difference.is_none()
    }

    /// What is not the same as in a list, or cannot be told.
    fn first_difference(&mut self, list: &str) -> Option<String> {
        // Of a go command whose invocation brings in something, nothing is known.
        if !self.context.invocation.is_clean(&self.context.goroot) {
            return Some(UNCLEAN.to_owned());
        }
        if self.look_for_servers() {
            return Some(SERVER.to_owned());
        }
        // What came since the go command began is in no digest, and a test that runs now may see it.
        if let Some(why) = &self.private {
            return Some(why.clone());
        }
        if let Some(path) = changes::first_change_by_names(&self.context) {
            return Some(format!("{} was made or changed since the go command began", path.display()));
        }
        self.check_lines(list).err()
    }

    /// Checks all lines, up to the first one that is not the same.
    fn check_lines(&mut self, text: &str) -> Result<(), String> {
        let of_other_form = || "its list is of another form".to_owned();
        let not_known = || NOT_KNOWN.to_owned();
        let mut lines = text.strip_suffix('\n').ok_or_else(of_other_form)?.split('\n');
        let listed = lines.next().ok_or_else(of_other_form)?;
        let mut fields = listed.split(' ').skip(2);
        let (tree, names) = fields.next().zip(fields.next()).ok_or_else(of_other_form)?;
        let root = self.context.module().ok_or_else(not_known)?;
        let now = self.second_line(&root, tree.starts_with(ALL), names).ok_or_else(not_known)?;
        if listed != now {
            return Err(differing_part(listed, &now));
        }
        let (mut budget, mut before) = (Budget::new(), "");
        for line in lines {
            let (digest, path_use, path) = read_line(line, before).ok_or_else(of_other_form)?;
            if digest != self.hashes.digest(Path::new(path), path_use, None, &mut budget).ok_or_else(not_known)? {
                return Err(format!("{path} differs"));
            }
            before = path;
        }
        Ok(())
    }

    /// `names`: variables that this test reads and others do not, with commas between.
    fn second_line(&mut self, root: &Path, needs_tree: bool, names: &str) -> Option<String> {
        if self.surroundings.is_none() {
            self.surroundings = Some(digest(&self.context)?);
        }
        let surroundings = self.surroundings.clone()?;
        if names.len() > MAX_NAMES {
            return None;
        }
        let variables = digest_of(names, &self.context);
        let context = &self.context;
        let is_only_temporary = |dir: &Path| context.is_only_temporary(dir);
        let is_new_temporary =
            |path: &Path| path.parent().is_some_and(is_only_temporary) && context.is_made_since_start(path);
        let is_excluded = |path: &Path| context.is_no_input(path) || is_new_temporary(path);
        // Whatever comes and goes elsewhere in the module changes its data.
        let bounds =
            TreeBounds { root, is_excluded: &is_excluded, is_busy: &is_only_temporary, temporary: &context.temporary };
        let data = self.module.digest(&bounds, &mut self.hashes)?.to_owned();
        let tree = self.tree(root, needs_tree)? + &self.own_tmp()?;
        Some(format!("{data} {surroundings} {tree} {names} {variables} {}", root.to_str()?))
    }

    /// What the build has beside caches, the go command's own directories and what came since it started: the directories of
    /// tests that run. All of it, or without the module. Outside of a build there is nothing but the module.
    fn tree(&mut self, module: &Path, needs_all: bool) -> Option<String> {
        let top = self.context.top.as_ref();
        let root = top.map_or(module, |top| &top.root);
        if !needs_all && root == module {
            return Some(BESIDE.to_owned());
        }
        let context = &self.context;
        let is_excluded = |path: &Path| (!needs_all && path == module) || is_left_out(context, path);
        let is_busy = |dir: &Path| context.is_busy(dir);
        let bounds = TreeBounds { root, is_excluded: &is_excluded, is_busy: &is_busy, temporary: &context.temporary };
        let (tree, kind) = if needs_all { (&mut self.whole, ALL) } else { (&mut self.beside, BESIDE) };
        Some(format!("{kind}{}", tree.digest(&bounds, &mut self.hashes)?))
    }

    /// What lies in a sandbox's own directories for temporary files, except what came since the go command began: any name may come and go there.
    fn own_tmp(&mut self) -> Option<String> {
        let context = &self.context;
        let Some(top) = &context.top else { return Some(String::new()) };
        let mut text = String::new();
        let is_excluded = |path: &Path| is_left_out(context, path);
        let temporary: Vec<_> = top.own_tmp.iter().chain(&context.temporary).cloned().collect();
        for root in &top.own_tmp {
            let is_busy = |dir: &Path| dir == root || context.is_busy(dir);
            let bounds = TreeBounds { root, is_excluded: &is_excluded, is_busy: &is_busy, temporary: &temporary };
            let tree = self.own_tmp.entry(root.clone()).or_insert_with(|| CurrentTree::new(Extent::All));
            text += &format!("+{}", tree.digest(&bounds, &mut self.hashes)?);
        }
        Some(text)
    }
}

/// Whether a path of the build is no input of tests, or came since the go command began.
fn is_left_out(context: &TestContext, path: &Path) -> bool {
    context.is_no_input(path) || context.is_made_since_start(path)
}

/// What differs first between two second lines, for a person.
fn differing_part(listed: &str, now: &str) -> String {
    let differs = |(one, other): (&str, &str)| one != other;
    match listed.split(' ').zip(now.split(' ')).position(differs) {
        Some(0) => "the module's data differ".to_owned(),
        Some(1) => "variables, what processes inherit, or the program of -exec differ".to_owned(),
        Some(2) if listed.split(' ').nth(2).is_some_and(|tree| tree.starts_with(ALL)) => {
            "the source tree, or what lies in /tmp or /dev/shm, differs".to_owned()
        }
        Some(2) => "what lies beside the module, or in /tmp or /dev/shm, differs".to_owned(),
        Some(4) => {
            let names = listed.split(' ').nth(3).unwrap_or_default();
            format!("variables that it may read differ, of these: {names}")
        }
        _ => "the module lies elsewhere".to_owned(),
    }
}

/// The line of a path.
pub(super) fn line(digest: &str, path_use: PathUse, path: &str) -> String {
    let letter = if path_use == PathUse::Open { 'o' } else { 's' };
    format!("{digest} {letter} {path}\n")
}

/// Such a line, without its end: digest, use and path. Another build made the list, so that paths are checked: each stands there
/// once, and none that this program would not list.
pub(super) fn read_line<'a>(line: &'a str, before: &str) -> Option<(&'a str, PathUse, &'a str)> {
    let (digest, rest) = line.split_once(' ')?;
    let (letter, path) = rest.split_once(' ')?;
    let path_use = match letter {
        "o" => PathUse::Open,
        "s" => PathUse::Stat,
        _ => return None,
    };
    (path > before && !is_kernel_interface(Path::new(path))).then_some((digest, path_use, path))
}

fn first_line(output: &OutputId) -> String {
    format!("{TEST_INPUTS}8 {output}\n")
}

#[cfg(test)]
mod tests;

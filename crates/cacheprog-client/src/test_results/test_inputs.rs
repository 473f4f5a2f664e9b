//! What a test looked at, by content: so that its result can stand for the same test in another build.
//!
//! `go test` reuses a result while size, mode and mtime of the files that the test opened are the same
//! (cmd/go/internal/test/test.go `computeTestInputsID`, Go 1.21-1.27), and in a Nix sandbox all mtimes are. So this client
//! lists the files of the test's log with their content when the result is put, and a client that is offered that result
//! looks at each file again. What is read before `m.Run` or after a chdir before it is in no log (testing.go `before`): so
//! the module's data and the environment as a whole are in the list as well, as are files outside the module, which Go never
//! looks at again.
//!
//! ```text
//! nix-gocacheprog test inputs 2 <output id of the result>
//! <word for the module's data> <word for the variables> <the module's root>
//! <word for what is there> <o opened, s looked at> <absolute path>        in the order of paths
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::{OutputId, limits};
use store::{TEST_INPUTS, TEST_LOG};

use crate::test_results::content_hash::{Budget, Contents, Look};
use crate::condition::build_env;
use crate::environment::{self, Places};
use crate::test_results::test_logs::TestResult;
use crate::test_results::module_tree::Tree;

/// Where a running system shows itself: never the same, and none of the test's files.
const NOT_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// By these such a place leads to files after all.
const WAYS_OUT: [&str; 5] = ["cwd", "root", "fd", "shm", ".."];

/// How often a module is not read in time before it is given up: nobody is to wait for a slow disk again and again.
const TRIES: u32 = 3;

/// Makes lists and checks them. What it read it keeps, with the times that tell whether it is still the same.
#[derive(Debug)]
pub(crate) struct Lists {
    places: Places,
    /// When the go command began, or a moment later.
    started: SystemTime,
    /// The variables of which a test may read any before its log begins, in one word. Made when it is asked for: most go
    /// commands test nothing.
    variables: Option<String>,
    contents: Contents,
    /// The module, once it was read.
    tree: Option<Tree>,
    /// How often it may still be tried to read it in time.
    tries: u32,
}

impl Lists {
    pub(crate) fn new(places: Places, started: SystemTime) -> Self {
        let contents = Contents::default();
        Self { places, started, variables: None, contents, tree: None, tries: TRIES }
    }

    /// The list of what a test looked at, where it can be told and did not change since the go command began: the test may
    /// have seen it as it was before.
    pub(crate) fn make(&mut self, result: &TestResult, output: &OutputId) -> Option<Vec<u8>> {
        let root = self.places.module()?;
        let dir = package_dir(&root, &result.package)?;
        let mut names = BTreeMap::new();
        for log in &result.logs {
            names_of(log, (&root, &dir), &self.places, &mut names)?;
        }
        let mut text = first_line(output) + &self.second_line(&root)? + "\n";
        // What a test does to its tree is not done again where its result is used again.
        self.tree.as_ref().filter(|tree| tree.is_older(self.started))?;
        let mut budget = Budget::new();
        for (path, look) in names {
            let letter = if look == Look::Open { 'o' } else { 's' };
            let word = self.contents.word(Path::new(&path), look, Some(self.started), &mut budget)?;
            text += &format!("{word} {letter} {path}\n");
            if text.len() as u64 > limits::TEST_INPUTS {
                return None;
            }
        }
        Some(text.into_bytes())
    }

    /// Whether a list is one for this result, and everything in it is as it was.
    pub(crate) fn hold(&mut self, list: &Path, output: &OutputId) -> bool {
        let mut bytes = Vec::new();
        let read = fs::File::open(list).and_then(|file| file.take(limits::TEST_INPUTS + 1).read_to_end(&mut bytes));
        let (Ok(_), Ok(text)) = (read, str::from_utf8(&bytes)) else { return false };
        text.strip_prefix(&first_line(output)).is_some_and(|rest| self.all_hold(rest).is_some())
    }

    /// Whether all lines hold: the first that does not ends it.
    fn all_hold(&mut self, text: &str) -> Option<()> {
        let mut budget = Budget::new();
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let root = self.places.module()?;
        if lines.next()? != self.second_line(&root)? {
            return None;
        }
        let mut before = "";
        for line in lines {
            let (there, rest) = line.split_once(' ')?;
            let (letter, path) = rest.split_once(' ')?;
            let look = match letter {
                "o" => Look::Open,
                "s" => Look::Stat,
                _ => return None,
            };
            // Each once, and no file that an honest list does not have: another build made this one.
            let is_honest = path > before && !is_no_file(Path::new(path));
            if !is_honest || there != self.contents.word(Path::new(path), look, None, &mut budget)? {
                return None;
            }
            before = path;
        }
        Some(())
    }

    fn second_line(&mut self, root: &Path) -> Option<String> {
        self.look_at(root)?;
        let data = &self.tree.as_ref()?.word;
        let variables = self.variables.get_or_insert_with(|| build_env::word(&environment::variables()));
        Some(format!("{data} {variables} {}", root.to_str()?))
    }

    /// Sees to it that the tree is the module as it is now.
    fn look_at(&mut self, root: &Path) -> Option<()> {
        if self.tree.as_ref().is_some_and(|tree| tree.is_current(root)) {
            return Some(());
        }
        self.tree = None;
        let mut budget = Budget::new();
        if self.tries > 0 {
            self.tree = Tree::read(root, &self.places.aside(), &mut self.contents, &mut budget);
        }
        if self.tree.is_none() {
            // Each try begins with what is known from the one before.
            let spent = if budget.is_spent() { TRIES } else { u32::from(budget.is_late()) };
            self.tries = self.tries.saturating_sub(spent);
        }
        self.tree.is_some().then_some(())
    }
}

fn first_line(output: &OutputId) -> String {
    format!("{TEST_INPUTS}2 {output}\n")
}

/// The directory of a package of the main module, in which its tests run. `None` where it may be another one: packages of
/// other modules, a module within the module.
fn package_dir(root: &Path, package: &str) -> Option<PathBuf> {
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

fn is_no_file(path: &Path) -> bool {
    // By way of `..`, say: no honest list has such a way to one of them.
    let leads_up = path.components().any(|part| part == std::path::Component::ParentDir);
    let names_one = |part: std::path::Component<'_>| NOT_FILES.iter().any(|dir| part.as_os_str() == &dir[1..]);
    (leads_up && path.components().any(names_one)) || NOT_FILES.iter().any(|dir| path.starts_with(dir))
}

/// The files that a log names, made absolute, with the way it looked at each. `None` where that cannot be told.
fn names_of(
    log: &[u8],
    (root, dir): (&Path, &Path),
    places: &Places,
    names: &mut BTreeMap<String, Look>,
) -> Option<()> {
    let mut pwd = dir.to_owned();
    for line in str::from_utf8(&log[TEST_LOG.len()..]).ok()?.strip_suffix('\n').unwrap_or_default().split('\n') {
        if line.is_empty() {
            continue;
        }
        let (operation, name) = line.split_once(' ')?;
        let path = pwd.join(name);
        let look = match operation {
            "getenv" => continue, // all variables count
            "chdir" => {
                pwd = name.into();
                Look::Stat
            }
            "stat" => Look::Stat,
            "open" => Look::Open,
            _ => return None,
        };
        if is_no_file(&path) {
            if path.components().any(|part| WAYS_OUT.iter().any(|way| part.as_os_str() == *way)) {
                return None;
            }
            continue;
        }
        // What lies around the module is listed by `os.RemoveAll` of each temporary directory, and full of go's own.
        let is_around = root.starts_with(&path) && path != root;
        if !is_around && (path.starts_with(root) || !places.is_temporary(&path)) {
            let known = names.entry(path.into_os_string().into_string().ok()?).or_insert(look);
            *known = (*known).max(look);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;

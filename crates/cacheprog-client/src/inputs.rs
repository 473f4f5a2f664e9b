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
//! nix-gocacheprog test inputs 1 <output id of the result>
//! <word for the module's data> <word for the variables> <the module's root>
//! <word for what is there> <o opened, s looked at> <absolute path>        in the order of paths
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::{OutputId, limits};
use store::{TEST_INPUTS, TEST_LOG, TEST_PASSED};

use crate::clock;
use crate::contents::{Budget, Look, word};
use crate::environment::Places;
use crate::held::Held;

/// Logs that are kept of a go command, in bytes.
const MOST_LOGS: usize = 1 << 20;

/// Where a running system shows itself: never the same, and none of the test's files.
const NOT_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// By these such a place leads to files after all.
const WAYS_OUT: [&str; 5] = ["cwd", "root", "fd", "shm", ".."];

/// The logs that a go command put.
#[derive(Debug)]
pub(crate) struct Inputs {
    places: Places,
    started: SystemTime,
    logs: BTreeSet<Vec<u8>>,
    /// Logs whose result was not put yet. cmd/go puts a log and then its result, several packages side by side, and does not
    /// say which belongs to which: the files of all logs since there was none outstanding are a result's, or more than those.
    outstanding: usize,
    /// A put is under way and was not looked at yet.
    unseen: bool,
    /// A log may have been missed: nothing is known of any result any more.
    is_over: bool,
}

impl Inputs {
    pub(crate) fn new(places: Places) -> Self {
        let started = clock::now();
        let logs = BTreeSet::new();
        Self { places, started, logs, outstanding: 0, unseen: false, is_over: false }
    }

    /// A put begins. One that was not seen to its end may have been a log.
    pub(crate) fn begin(&mut self) {
        self.is_over |= std::mem::replace(&mut self.unseen, true);
    }

    /// Looks at a body that is put. If it is a test's result: the list of what that test looked at, where it can be told.
    pub(crate) fn see(&mut self, body: &Held, output: &OutputId) -> Option<Vec<u8>> {
        let (bytes, is_all) = body.beginning(TEST_LOG.len())?;
        self.unseen = false;
        let passed = if is_all { passed(&bytes) } else { None };
        let Some(package) = passed else {
            if bytes.starts_with(TEST_LOG.as_bytes()) {
                self.keep_log(bytes.into_owned(), is_all);
            }
            return None;
        };
        if self.is_over || self.outstanding == 0 {
            return None;
        }
        let list = self.list(package, output);
        self.outstanding -= 1;
        if self.outstanding == 0 {
            self.logs.clear();
        }
        list
    }

    fn keep_log(&mut self, log: Vec<u8>, is_all: bool) {
        self.outstanding += 1;
        let bytes: usize = self.logs.iter().map(Vec::len).sum();
        self.is_over |= !is_all || bytes + log.len() > MOST_LOGS;
        if self.is_over {
            self.logs.clear();
        } else {
            self.logs.insert(log);
        }
    }

    fn list(&self, package: &str, output: &OutputId) -> Option<Vec<u8>> {
        let root = self.places.module()?;
        let dir = package_dir(&root, package)?;
        let mut names = BTreeMap::new();
        for log in &self.logs {
            names_of(log, (&root, &dir), &self.places, &mut names)?;
        }
        // What a test does to its tree is not done again where its result is used again.
        let data = self.places.data(&root, Some(self.started))?;
        let mut text = first_line(output) + &second_line(&data, &self.places, &root)? + "\n";
        let mut budget = Budget::new();
        for (path, look) in names {
            let letter = if look == Look::Open { 'o' } else { 's' };
            text += &format!("{} {letter} {path}\n", word(Path::new(&path), look, &mut budget)?);
            if text.len() as u64 > limits::TEST_INPUTS {
                return None;
            }
        }
        Some(text.into_bytes())
    }

    /// Whether a list is one for this result, and everything in it is as it was.
    pub(crate) fn are_the_same(places: &Places, path: &Path, output: &OutputId) -> bool {
        let mut bytes = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(limits::TEST_INPUTS + 1).read_to_end(&mut bytes));
        let (Ok(_), Ok(text)) = (read, str::from_utf8(&bytes)) else { return false };
        text.strip_prefix(&first_line(output)).is_some_and(|rest| hold(places, rest).is_some())
    }
}

/// Whether all lines hold: the first that does not ends it.
fn hold(places: &Places, text: &str) -> Option<()> {
    let mut budget = Budget::new();
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let root = places.module()?;
    if lines.next()? != second_line(&places.data(&root, None)?, places, &root)? {
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
        if path <= before || is_no_file(Path::new(path)) || there != word(Path::new(path), look, &mut budget)? {
            return None;
        }
        before = path;
    }
    Some(())
}

fn first_line(output: &OutputId) -> String {
    format!("{TEST_INPUTS}1 {output}\n")
}

fn second_line(data: &str, places: &Places, root: &Path) -> Option<String> {
    Some(format!("{data} {} {}", places.variables(), root.to_str()?))
}

/// The import path in the last line of a result that passed.
fn passed(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let last = text.rsplit('\n').next()?;
    last.strip_prefix(TEST_PASSED)?.split('\t').next()
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

//! What a test looked at, by content: so that its result can stand for the same test in another build.
//!
//! `go test` reuses a result while size, mode and mtime of the files that the test opened are the same
//! (cmd/go/internal/test/test.go `computeTestInputsID`, Go 1.21-1.27), and in a Nix sandbox all mtimes are. So this client
//! lists the files of the test's log with their content when the result is put, and a client that is offered that result
//! looks at each file again: a result is the same build's or the same files'. Files outside the module, which Go never looks
//! at again, are listed as well.
//!
//! ```text
//! nix-gocacheprog test inputs 1 <output id of the result>
//! <what is there> <absolute path>
//! ```

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::{self, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proto::id::hex;
use proto::{OutputId, limits};
use sha2::{Digest, Sha256};

use crate::held::Held;

/// cmd/go/internal/test/test.go `testlogMagic`, Go 1.21-1.27.
const LOG: &[u8] = b"# test log\n";

/// The last line of a result that cmd/go uses again (test.go `tryCacheWithID`, Go 1.21-1.27).
const PASSED: &str = "ok  \t";

const FIRST_LINE: &str = "nix-gocacheprog test inputs 1 ";

/// Logs of one go command. cmd/go puts a log and then its result, several packages side by side, and says nothing of which
/// belongs to which: the files of all logs so far are those of a result, and no more than so many.
const MOST_LOGS: usize = 256;

/// Names in one list. Typical are ten.
const MOST_NAMES: usize = 20_000;

/// Bytes read for one list.
const MOST_BYTES: u64 = 256 << 20;

/// Where a running system shows itself: never the same, and none of the test's files.
const NOT_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The logs that a go command put.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    logs: BTreeSet<Vec<u8>>,
    /// A put is under way and was not looked at yet.
    unseen: bool,
    /// A log may have been missed: nothing is known of any result any more.
    is_over: bool,
}

impl Inputs {
    /// A put begins. One that was not seen to its end may have been a log.
    pub(crate) fn begin(&mut self) {
        self.is_over |= std::mem::replace(&mut self.unseen, true);
    }

    /// Looks at a body that is put. If it is a test's result: the list of what that test looked at, where it can be told.
    pub(crate) fn see(&mut self, body: &Held, output: &OutputId) -> Option<Vec<u8>> {
        let (bytes, is_all) = body.beginning(LOG.len())?;
        self.unseen = false;
        if bytes.starts_with(LOG) {
            self.is_over |= !is_all || self.logs.len() >= MOST_LOGS;
            self.logs.insert(bytes.into_owned());
            return None;
        }
        let package = passed(&bytes).filter(|_| is_all)?;
        if self.is_over || self.logs.is_empty() {
            return None;
        }
        let dir = package_dir(&std::env::current_dir().ok()?, package)?;
        let mut names = BTreeSet::new();
        for log in &self.logs {
            names_of(log, &dir, &mut names)?;
        }
        list(names.iter().map(String::as_str), output)
    }
}

/// Whether a list is one for this result, and everything in it is as it was.
pub(crate) fn are_the_same(path: &Path, output: &OutputId) -> bool {
    let mut text = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(limits::TEST_INPUTS + 1).read_to_end(&mut text));
    let (Ok(_), Ok(text)) = (read, str::from_utf8(&text)) else { return false };
    let names = text.lines().skip(1).map(|line| line.split_once(' ').map_or("", |(_, name)| name));
    list(names, output).is_some_and(|now| now == text.as_bytes())
}

/// The list of these files as they are now; `None` where something is no file, or there is too much.
fn list<'a>(names: impl Iterator<Item = &'a str>, output: &OutputId) -> Option<Vec<u8>> {
    let mut text = format!("{FIRST_LINE}{output}\n");
    let mut bytes = MOST_BYTES;
    for (n, name) in names.enumerate() {
        if n >= MOST_NAMES || text.len() as u64 > limits::TEST_INPUTS {
            return None;
        }
        writeln!(text, "{} {name}", what_is_there(Path::new(name), &mut bytes)?).ok()?;
    }
    (text.len() as u64 <= limits::TEST_INPUTS).then(|| text.into_bytes())
}

/// The import path in the last line of a result that passed.
fn passed(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let last = text.rsplit('\n').next()?;
    last.strip_prefix(PASSED)?.split('\t').next()
}

/// The directory of a package of the main module, in which its tests run. `None` where it may be another one: packages of
/// other modules, a module within the module, a workspace.
fn package_dir(cwd: &Path, package: &str) -> Option<PathBuf> {
    let root = cwd.ancestors().find(|dir| dir.join("go.mod").is_file())?;
    if root.ancestors().any(|dir| dir.join("go.work").exists()) {
        return None;
    }
    let text = fs::read_to_string(root.join("go.mod")).ok()?;
    let module = text.lines().find_map(|line| line.trim().strip_prefix("module "))?;
    let module = module.split("//").next()?.trim().trim_matches(['"', '`']);
    let below = package.strip_prefix(module)?;
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    let dir = root.join(below.trim_start_matches('/'));
    let nested = dir.ancestors().take_while(|dir| *dir != root).any(|dir| dir.join("go.mod").exists());
    (!nested && dir.is_dir()).then_some(dir)
}

/// The files that a log names, made absolute as cmd/go does it.
fn names_of(log: &[u8], dir: &Path, names: &mut BTreeSet<String>) -> Option<()> {
    let mut pwd = dir.to_owned();
    for line in str::from_utf8(&log[LOG.len()..]).ok()?.lines() {
        let (operation, name) = line.split_once(' ')?;
        match operation {
            "getenv" => continue, // its value is in cmd/go's key
            "chdir" => pwd = name.into(),
            "open" | "stat" => {}
            _ => return None,
        }
        let path = pwd.join(name);
        if !NOT_FILES.iter().any(|dir| path.starts_with(dir)) {
            names.insert(path.into_os_string().into_string().ok()?);
        }
    }
    Some(())
}

/// One word for what a path leads to; `None` for what cannot be told.
fn what_is_there(path: &Path, bytes: &mut u64) -> Option<String> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Some("absent".to_owned());
        }
        Err(_) => return None,
    };
    let mut hasher = Sha256::new();
    if metadata.is_symlink() {
        part(&mut hasher, fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
    }
    match fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Some(format!("dangling-{}", hex(&hasher.finalize()))),
        Err(_) => return None,
        Ok(metadata) if metadata.is_dir() => directory(&mut hasher, path, &metadata)?,
        Ok(metadata) if metadata.is_file() => file(&mut hasher, path, &metadata, bytes)?,
        Ok(_) => return None, // a pipe or a device
    }
    Some(hex(&hasher.finalize()))
}

/// Names, kinds, modes and sizes, as a listing shows them.
fn directory(hasher: &mut Sha256, path: &Path, metadata: &Metadata) -> Option<()> {
    hasher.update(metadata.mode().to_le_bytes());
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).ok()? {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        let size = if metadata.is_dir() { 0 } else { metadata.len() };
        entries.push((entry.file_name(), metadata.mode(), size));
        if entries.len() > MOST_NAMES {
            return None;
        }
    }
    entries.sort();
    for (name, mode, size) in entries {
        part(hasher, name.as_encoded_bytes());
        hasher.update(mode.to_le_bytes());
        hasher.update(size.to_le_bytes());
    }
    Some(())
}

fn file(hasher: &mut Sha256, path: &Path, metadata: &Metadata, bytes: &mut u64) -> Option<()> {
    *bytes = bytes.checked_sub(metadata.len())?;
    hasher.update(metadata.mode().to_le_bytes());
    hasher.update(metadata.len().to_le_bytes());
    let (mut file, mut piece) = (fs::File::open(path).ok()?.take(metadata.len() + 1), vec![0; 64 << 10]);
    loop {
        match file.read(&mut piece).ok()? {
            0 => return Some(()),
            n => hasher.update(&piece[..n]),
        }
    }
}

/// Length and bytes, so that no two lists of parts hash alike.
fn part(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const OUTPUT: OutputId = OutputId([7; 32]);

    fn module() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("module");
        fs::create_dir_all(root.join("golden/testdata")).unwrap();
        fs::write(root.join("go.mod"), "// a comment\nmodule \"example.test/m\" // another\n\ngo 1.21\n").unwrap();
        fs::write(root.join("golden/testdata/a.txt"), "one").unwrap();
        (dir, root)
    }

    fn listed(root: &Path, log: &str) -> Vec<u8> {
        let mut names = BTreeSet::new();
        let log = [LOG, log.as_bytes()].concat();
        names_of(&log, &package_dir(root, "example.test/m/golden").unwrap(), &mut names).unwrap();
        list(names.iter().map(String::as_str), &OUTPUT).unwrap()
    }

    #[test]
    fn whatever_changes_in_what_a_test_looked_at_is_seen() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 9] = [
            ("content at the same size", |root| fs::write(root.join("golden/testdata/a.txt"), "two").unwrap()),
            ("a file that goes", |root| fs::remove_file(root.join("golden/testdata/a.txt")).unwrap()),
            ("a file that comes", |root| fs::write(root.join("golden/absent"), "").unwrap()),
            ("a name in a directory", |root| fs::write(root.join("golden/testdata/b.txt"), "").unwrap()),
            ("a mode", |root| {
                fs::set_permissions(root.join("golden/testdata/a.txt"), PermissionsExt::from_mode(0o755)).unwrap();
            }),
            ("where a link leads", |root| {
                fs::remove_file(root.join("golden/link")).unwrap();
                std::os::unix::fs::symlink("elsewhere", root.join("golden/link")).unwrap();
            }),
            ("a file after chdir", |root| fs::write(root.join("there"), "2").unwrap()),
            ("a file outside the module", |root| fs::write(root.join("../outside"), "2").unwrap()),
            ("a pipe in the place of a file", |root| {
                let path = root.join("golden/testdata/a.txt");
                fs::remove_file(&path).unwrap();
                rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
            }),
        ];
        for (what, change) in changes {
            let (dir, root) = module();
            std::os::unix::fs::symlink("nowhere", root.join("golden/link")).unwrap();
            fs::write(root.join("there"), "1").unwrap();
            fs::write(root.join("../outside"), "1").unwrap();
            let log = format!(
                "getenv HOME\nopen testdata/a.txt\nstat absent\nopen testdata\nstat link\nopen ../../outside\nopen /proc/self/stat\nchdir {}\nopen there\n",
                root.display()
            );
            let path = dir.path().join("list");
            fs::write(&path, listed(&root, &log)).unwrap();
            assert!(are_the_same(&path, &OUTPUT), "{what}: before");
            assert!(!are_the_same(&path, &OutputId([8; 32])), "another result's list");
            change(&root);
            assert!(!are_the_same(&path, &OUTPUT), "{what}");
        }
    }

    #[test]
    fn a_damaged_or_hostile_list_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        for text in ["", "x", "nix-gocacheprog test inputs 1", "\n\n\n", &"x /dev/zero\n".repeat(100_000)] {
            fs::write(&path, text).unwrap();
            assert!(!are_the_same(&path, &OUTPUT));
        }
        fs::write(&path, format!("{FIRST_LINE}{OUTPUT}\n00 /dev/zero\n")).unwrap();
        assert!(!are_the_same(&path, &OUTPUT));
        assert!(!are_the_same(&dir.path().join("absent"), &OUTPUT));
    }

    #[test]
    fn only_a_package_of_the_main_module_has_a_known_directory() {
        let (_dir, root) = module();
        assert_eq!(package_dir(&root, "example.test/m"), Some(root.clone()));
        assert_eq!(package_dir(&root.join("golden"), "example.test/m/golden"), Some(root.join("golden")));
        for other in ["example.test/mm/golden", "example.test", "command-line-arguments", "example.test/m/absent"] {
            assert_eq!(package_dir(&root, other), None, "{other}");
        }
        fs::write(root.join("golden/go.mod"), "module example.test/m/golden\n").unwrap();
        assert_eq!(package_dir(&root, "example.test/m/golden"), None, "a module of its own");
        assert_eq!(package_dir(&root, "example.test/m"), Some(root.clone()));
        fs::write(root.parent().unwrap().join("go.work"), "").unwrap();
        assert_eq!(package_dir(&root, "example.test/m"), None, "a workspace");
    }

    #[test]
    fn a_result_is_told_by_its_last_line() {
        assert_eq!(passed(b"ok  \texample.test/m\t0.01s\n"), Some("example.test/m"));
        assert_eq!(passed(b"=== RUN\nok  \texample.test/m\t0.01s\tcoverage: 1%\n"), Some("example.test/m"));
        for other in [b"ok  \tm\t0.01s".as_slice(), b"FAIL\tm\n", b"", b"\n", b"ok  \tm\t1s\nmore\n", b"\xff\n"] {
            assert_eq!(passed(other), None);
        }
    }
}

//! Has `cacheprog-remote` bring what a remote store has into the store of the user, before the go command is answered for the first time.
//! Whatever comes of it, the go command is answered from what is there then.

use std::env::current_exe;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use proto::id::hex;

use crate::clock;
use crate::environment::{self, Environment};

/// The program with network and credentials.
const PROGRAM: &str = "cacheprog-remote";

/// A remote store is asked again after so long. Each test run of a developer would ask it otherwise.
const INTERVAL: Duration = Duration::from_secs(600);

/// Stamps that are kept: one for each module that was built lately.
const STAMPS: usize = 200;

/// What of the program's output is passed on.
const MOST_SAID: u64 = 4096;

/// How long the go command waits. All of a large program comes in seconds; what takes longer comes while it compiles.
const WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Brings what the store at `url` has for the module of this directory and this toolchain into the one in `store`.
pub(crate) fn pull(url: &OsStr, store: &Path, environment: &Environment) {
    let module = module_root(std::env::current_dir().unwrap_or_default());
    if !is_due(&store.join("remote"), &[url, module.as_os_str(), OsStr::new(&environment.toolchain.goroot)]) {
        return;
    }
    // The child must not hold the go command's standard error: a caller that reads to its end would wait for it.
    let log = store.join("remote").join("last-pull.log");
    match start(url, store, &log, environment) {
        Ok(child) => {
            wait(child);
            say(&log);
        }
        Err(e) => environment::print_error(&format!("{PROGRAM}: {e}: nothing is fetched from the remote store")),
    }
}

/// Whether it was not asked for a while. From now on it was.
fn is_due(dir: &Path, what: &[&OsStr]) -> bool {
    let mut hasher = blake3::Hasher::new();
    for part in what {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    let stamps = dir.join("asked");
    let stamp = stamps.join(hex(&hasher.finalize().as_bytes()[..16]));
    let asked = fs::metadata(&stamp).and_then(|metadata| metadata.modified());
    let is_recent = |at| clock::now().duration_since(at).is_ok_and(|since| since < INTERVAL);
    if asked.is_ok_and(is_recent) {
        return false;
    }
    // Where it cannot be noted, it is asked each time.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&stamps);
    drop(made.and_then(|()| File::create(stamp)).and_then(|_| store::keep_newest(&stamps, STAMPS, u64::MAX)));
    true
}

fn start(url: &OsStr, store: &Path, log: &Path, environment: &Environment) -> std::io::Result<Child> {
    let toolchain = serde_json::to_string(&environment.toolchain)?;
    let beside = current_exe().ok().map(|program| program.with_file_name(PROGRAM)).filter(|program| program.exists());
    let mut command = Command::new(beside.map_or_else(|| OsString::from(PROGRAM), PathBuf::into_os_string));
    command.arg("pull").arg("--url").arg(url).arg("--store").arg(store).arg("--toolchain").arg(toolchain);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?).spawn()
}

fn wait(mut child: Child) {
    let until = Instant::now() + WAIT;
    while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(POLL);
    }
}

/// Passes on what the program said.
fn say(log: &Path) {
    let mut said = String::new();
    if File::open(log).and_then(|file| file.take(MOST_SAID).read_to_string(&mut said)).is_ok() {
        drop(std::io::stderr().write_all(said.as_bytes())); // if it is closed, nothing can be said
    }
}

/// The nearest directory with a go.mod, or this one.
fn module_root(dir: PathBuf) -> PathBuf {
    let has_module = |dir: &&Path| dir.join("go.mod").is_file();
    dir.ancestors().find(has_module).map(Path::to_owned).unwrap_or(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_store_is_asked_once_in_a_while_for_each_module() {
        let dir = tempfile::tempdir().unwrap();
        let (url, one, other) = (OsStr::new("https://a.example/x"), OsStr::new("/one"), OsStr::new("/other"));
        let asks = |what: &[&OsStr]| is_due(&dir.path().join("remote"), what);
        assert!(asks(&[url, one]));
        assert!(!asks(&[url, one]));
        assert!(asks(&[url, other]));
        let long_ago = clock::now() - INTERVAL - Duration::from_secs(1);
        for stamp in fs::read_dir(dir.path().join("remote/asked")).unwrap() {
            File::options().write(true).open(stamp.unwrap().path()).unwrap().set_modified(long_ago).unwrap();
        }
        assert!(asks(&[url, one]));
    }

    #[test]
    fn the_module_is_that_of_the_nearest_go_mod() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("cmd/x");
        fs::create_dir_all(&below).unwrap();
        fs::write(dir.path().join("go.mod"), "module m\n").unwrap();
        assert_eq!(module_root(below), dir.path());
    }
}

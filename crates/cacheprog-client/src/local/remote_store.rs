//! Has `cacheprog-remote` bring what a remote store has into the store of the user, before the go command is answered for the first time.
//! Whatever comes of it, the go command is answered from what is there then.

use std::env::current_exe;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, TryLockError};
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
    let dir = store.join("remote");
    let what = [url, module.as_os_str(), OsStr::new(&environment.toolchain.goroot)];
    let Some(stamp) = Stamp::take(&dir, &what, Instant::now() + WAIT) else { return };
    // The child must not hold the go command's standard error: a caller that reads to its end would wait for it.
    let log = dir.join(format!("pull-{}.log", std::process::id()));
    match start(url, store, &log, environment) {
        Ok(child) => {
            wait(child);
            say(&log);
        }
        Err(e) => environment::print_error(&format!("{PROGRAM}: {e}: nothing is fetched from the remote store")),
    }
    drop(fs::remove_file(&log)); // one that stays is small
    drop(stamp); // those who wait go on
}

/// Says when a remote store was asked: it is asked once in a while. It is held until the answer is there, and go commands that begin meanwhile
/// wait for that too. `None` where it cannot be kept: then each go command asks.
struct Stamp(#[expect(dead_code, reason = "dropping it ends the lock")] Option<File>);

impl Stamp {
    /// `None`: it was asked a while ago, or another go command asks and has the answer now, or `until` passed.
    fn take(dir: &Path, what: &[&OsStr], until: Instant) -> Option<Self> {
        let stamps = dir.join("asked");
        let stamp = stamps.join(name_of(what));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&stamps);
        let file = made.and_then(|()| File::options().read(true).write(true).create(true).truncate(false).open(&stamp));
        let Ok(file) = file else { return Some(Self(None)) };
        while matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(POLL);
        }
        // An empty one was never used.
        let asked = file.metadata().and_then(|metadata| Ok((metadata.len(), metadata.modified()?)));
        let is_recent = |at| clock::now().duration_since(at).is_ok_and(|since| since < INTERVAL);
        if asked.is_ok_and(|(length, at)| length > 0 && is_recent(at)) {
            return None;
        }
        drop((&file).write_all(b"asked\n").and_then(|()| file.set_modified(clock::now())));
        drop(store::keep_newest(&stamps, STAMPS, u64::MAX));
        Some(Self(Some(file)))
    }
}

/// What was asked for, as the name of a file.
fn name_of(what: &[&OsStr]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in what {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    hex(&hasher.finalize().as_bytes()[..16])
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
    let mut said = Vec::new();
    if File::open(log).and_then(|file| file.take(MOST_SAID).read_to_end(&mut said)).is_ok() {
        // If it is closed, nothing can be said.
        drop(std::io::stderr().write_all(String::from_utf8_lossy(&said).as_bytes()));
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
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    #[test]
    fn a_remote_store_is_asked_once_in_a_while_for_each_module() {
        let dir = tempfile::tempdir().unwrap();
        let (url, one, other) = (OsStr::new("https://a.example/x"), OsStr::new("/one"), OsStr::new("/other"));
        let asks = |what: &[&OsStr]| Stamp::take(&dir.path().join("remote"), what, Instant::now()).is_some();
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
    fn who_comes_while_another_asks_waits_for_the_answer() {
        let dir = tempfile::tempdir().unwrap();
        let what = [OsStr::new("https://a.example/x")];
        let later = || Instant::now() + WAIT;
        let first = Stamp::take(dir.path(), &what, later()).unwrap();
        assert!(Stamp::take(dir.path(), &what, Instant::now()).is_none(), "no longer than it may");
        let has_answer = AtomicBool::new(false);
        thread::scope(|scope| {
            let second = scope.spawn(|| (Stamp::take(dir.path(), &what, later()).is_none(), has_answer.load(SeqCst)));
            thread::sleep(4 * POLL);
            has_answer.store(true, SeqCst);
            drop(first);
            assert_eq!(second.join().unwrap(), (true, true));
        });
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

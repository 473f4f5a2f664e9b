//! Killed at every system call that concerns a file, and cut from its power: what is served then is whole and right.
//!
//! The kills are strace's: `inject=…:signal=SIGKILL:when=N` ends this very test program, started again as `child`, at its N-th
//! such call. The power cut takes from every file that was not synced its end, its bytes or itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use proto::BuildId;
use store::{Exposure, Mode, Published, Store, Targets};

use super::*;

const ALL: Targets =
    Targets { max_size: None, max_age: None, bytes_to_free: u64::MAX, inodes_to_free: 0, grace: Duration::ZERO };

/// Bodies on both sides of what is held in memory; the first and the sixth are the same.
fn body(n: u8) -> Vec<u8> {
    vec![if n < 6 { n % 5 } else { n }; [10, 70_000, 0, 200_000, 500][usize::from(n % 5)]]
}

/// When no program can be about to use what is here.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(2 * 24 * 3600)
}

fn reopen(root: &Path) -> Store {
    Store::open(root, Access::Traversable).unwrap()
}

fn put_all(store: &Store, mut done: impl FnMut(u8)) {
    for n in 0..6 {
        publish(store, &put(n, 500), &body(n));
        done(n);
    }
}

/// Puts all of it for one build, and shares it then.
fn share_all(store: &Store, mut done: impl FnMut(u8)) {
    let build = store.create_build(BuildId([1; 16])).unwrap();
    for n in 0..6 {
        build.keep("8:1", &put(n, 500), &mut stage(store, &body(n))).unwrap();
        let kept = build.get("8:1", &action(n), at(500)).unwrap().unwrap();
        let shared = store.share(&view(), &put(n, 500), (&build, &kept), Exposure::Link).unwrap();
        assert_eq!(shared, Some(Published::New));
        done(n);
    }
}

/// What is killed. Not a test by itself.
#[test]
#[ignore = "started by the other tests of this file"]
fn child() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let root = PathBuf::from(variable("CRASH_STORE"));
    let acknowledged = root.with_extension("acknowledged");
    match variable("CRASH_WORK").as_str() {
        "put" => put_all(&reopen(&root), |n| fs::write(acknowledged.join(n.to_string()), "").unwrap()),
        "share" => share_all(&reopen(&root), |n| fs::write(acknowledged.join(n.to_string()), "").unwrap()),
        _ => drop(reopen(&root).evictor().sweep(&ALL, later(), Mode::Apply, &mut || true).unwrap()),
    }
    fs::write(acknowledged.join("end"), "").unwrap();
}

/// Runs the child until its n-th call of a name. False if it came to its end before.
fn killed_at((call, nth): (&str, u32), work: &str, root: &Path) -> bool {
    let acknowledged = root.with_extension("acknowledged");
    fs::create_dir_all(&acknowledged).unwrap();
    let child = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=SIGKILL:when={nth}")])
        .arg(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--ignored"])
        .env("CRASH_STORE", root)
        .env("CRASH_WORK", work)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    child.expect("strace is needed: apt-get install strace");
    !acknowledged.join("end").exists()
}

/// Nothing is torn, nothing is lost, and the next sweep leaves nothing that is not served.
fn check(root: &Path, acknowledged: &[u8]) {
    let store = reopen(root);
    let seen = store.verify(Mode::DryRun, &mut |_| {}).unwrap();
    assert_eq!((seen.damaged_objects, seen.damaged_records, seen.lost_outputs), (0, 0, 0), "{seen:?}");
    for &n in acknowledged {
        let record = found(&store, n).expect("what was answered as stored is there");
        assert!(content(&store, &record).unwrap() == body(n));
    }
    store.evictor().sweep(&Targets::default(), later(), Mode::Apply, &mut || true).unwrap();
    assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0, "unfinished files are left");
    let left = store.verify(Mode::DryRun, &mut |_| {}).unwrap();
    let named: std::collections::HashSet<_> = (0..6).filter_map(|n| Some(found(&store, n)?.output.id)).collect();
    assert_eq!((left.entries, left.objects), (seen.entries, named.len() as u64));
}

/// The calls of a put and of a sweep that concern files, by any of their names (`strace -c` of both). A kill comes before the
/// call is carried out.
const CALLS: [&str; 25] = [
    "?open",
    "openat",
    "?creat",
    "read",
    "write",
    "close",
    "lseek",
    "getdents64",
    "fstat",
    "newfstatat",
    "statx",
    "?lstat",
    "?mkdir",
    "mkdirat",
    "fchmod",
    "fchmodat",
    "utimensat",
    "?rename",
    "renameat",
    "renameat2",
    "?unlink",
    "unlinkat",
    "?rmdir",
    "?link,linkat",
    "flock",
];

/// Kills the work at each of its calls in turn, then checks what is left; returns how many kills there were.
fn kill_everywhere(work: &str, prepare: impl Fn(&Path), end: impl Fn(&Path)) -> u32 {
    let mut kills = 0;
    for call in CALLS {
        for nth in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("state");
            prepare(&root);
            assert!(nth < 1000, "it never ends: does strace work here?");
            let killed = killed_at((call, nth), work, &root);
            let done = |n: &u8| root.with_extension("acknowledged").join(n.to_string()).exists();
            check(&root, &(0..6).filter(done).collect::<Vec<_>>());
            if !killed {
                end(&root);
                break;
            }
            kills += 1;
        }
    }
    kills
}

#[test]
fn killed_at_each_call_of_a_put() {
    let kills = kill_everywhere("put", |_| {}, |_| {});
    assert!(kills > 100, "killed {kills} times: that cannot be every call");
}

#[test]
fn killed_at_each_call_of_sharing_what_a_build_has() {
    let kills = kill_everywhere("share", |_| {}, |_| {});
    assert!(kills > 100, "killed {kills} times: that cannot be every call");
}

#[test]
fn killed_at_each_call_of_a_sweep() {
    let prepare = |root: &Path| put_all(&reopen(root), |_| {});
    let end = |root: &Path| assert_eq!(reopen(root).evictor().count().unwrap(), store::Totals::default());
    let kills = kill_everywhere("sweep", prepare, end);
    assert!(kills > 100, "killed {kills} times: that cannot be every call");
}

/// What a file system may leave of a file whose bytes never reached the disk.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Kept,
    Gone,
    Empty,
    Half,
    Zeros,
}

fn cut(path: &Path, cut: Cut) {
    let bytes = fs::read(path).unwrap();
    let left = match cut {
        Cut::Kept => return,
        Cut::Gone => return fs::remove_file(path).unwrap(),
        Cut::Empty => Vec::new(),
        Cut::Half => bytes[..bytes.len() / 2].to_vec(),
        Cut::Zeros => vec![0; bytes.len()],
    };
    // Sizes and times are of the journal, which is written in another order than the bytes.
    let times = fs::metadata(path).unwrap().modified().unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, left).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::File::open(path).unwrap().set_modified(times).unwrap();
}

fn everything(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() { all.extend(everything(&entry.path())) } else { all.push(entry.path()) }
    }
    all.sort();
    all
}

/// Every entry is right or a miss; returns how many are right.
fn served(store: &Store) -> Result<u8, String> {
    let mut right = 0;
    for n in 0..12 {
        // A damaged record is an error that the programs log and take for a miss.
        let Ok(Some(record)) = store.get(&view(), &action(n), SystemTime::now()).map(|found| found.plain) else {
            continue;
        };
        if let Some(read) = content(store, &record) {
            if read != body(n) {
                return Err(format!("entry {n} is wrong"));
            }
            right += 1;
        }
    }
    Ok(right)
}

#[test]
fn cut_from_its_power_it_serves_nothing_but_what_is_right() {
    let cuts = prop::sample::select(vec![Cut::Kept, Cut::Gone, Cut::Empty, Cut::Half, Cut::Zeros]);
    let many = prop::collection::vec(cuts, 32);
    let wrong_without = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(48));
    let ran = runner.run(&(many, any::<bool>()), |(cuts, by_boot)| {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("state");
        let open = |boot: &str| {
            let store = reopen(&root);
            if by_boot { resumed_since_boot(store, boot) } else { resumed(store, Shutdown::Unclean, boot) }
        };
        let store = open("first boot");
        for n in 0..6 {
            publish(&store, &put(n, 500), &body(n));
        }
        store.recovery().sync(SystemTime::now, || Ok(())).unwrap();
        let synced = everything(&root);
        for n in 6..12 {
            publish(&store, &put(n, 500), &body(n));
        }
        drop(store);
        let unsynced = everything(&root).into_iter().filter(|path| !synced.contains(path));
        for (path, how) in unsynced.zip(cuts) {
            cut(&path, how);
        }
        wrong_without.set(wrong_without.get() + u32::from(served(&reopen(&root)).is_err()));
        let right = served(&open("second boot"));
        prop_assert!(right.is_ok_and(|right| right >= 6), "what was synced is served, and nothing that is wrong");
        // It stays so for the next process.
        prop_assert!(served(&open("second boot")).is_ok());
        Ok(())
    });
    ran.unwrap();

    assert!(wrong_without.get() > 0, "the cut must be one that is noticed without the recovery");
}

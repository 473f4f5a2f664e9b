use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use store::{Access, Disk, Limits, Mode, Store, Targets};

use crate::{action, content, found, open, output, publish, put, stage, view};

/// Fills a disk that has few inodes, and makes room on it. Not a test by itself: it needs such a disk.
#[test]
#[ignore = "started by the other tests of this file"]
fn child() {
    let dir = std::env::var("STORE").unwrap();
    let store = Store::open(&Path::new(&dir).join("state"), Access::Owner).unwrap();
    let publish = |n: u8| {
        let body = [n; 100];
        let mut staged = stage(&store, &body);
        store.put(&view(), &put(n, 500), &mut staged).is_ok()
    };
    let stored = (0..=250).take_while(|&n| publish(n)).count();
    assert!((100..250).contains(&stored), "{stored}");
    let disk = Disk::of(store.root()).unwrap();
    assert!(disk.free_inodes < 3 && disk.free > disk.size / 2, "{disk:?}");
    drop(std::fs::remove_file(store.root().join("counts")));
    let targets = Limits { max_size: None, max_age: None, ..Limits::default() }.targets(disk);
    // From a process that found no counts and can write none.
    let other = Store::open(store.root(), Access::Owner).unwrap().beside_daemon();
    let later = SystemTime::now() + Duration::from_secs(3600);
    let swept = other.evictor().sweep(&targets, later, Mode::Apply, &mut || true).unwrap().unwrap();
    assert_eq!(swept.errors, Vec::<String>::new());
    assert!(Disk::of(store.root()).unwrap().free_inodes >= disk.inodes / 20, "{swept:?}");
    assert!(publish(251) && found(&store, 251).is_some());
    assert!(found(&store, 250).is_none() && content(&store, &found(&store, 251).unwrap()).is_some());
}

#[test]
fn without_inodes_a_sweep_makes_room_and_needs_none() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=100m,nr_inodes=400 none \"$STORE\" && exec \"$@\"";
    let child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["disk_full::child", "--exact", "--ignored"])
        .env("STORE", dir.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&[child.stdout, child.stderr].concat()));
}

#[test]
fn a_daemon_that_starts_leaves_what_others_have_not_finished() {
    let (dir, daemon) = open();
    let root = dir.path().join("state");
    let beside = Store::open(&root, Access::Owner).unwrap().beside_daemon();
    let body = vec![7; 200_000];
    let mut unfinished = stage(&beside, &body); // a file by now
    let mut left = stage(&daemon, &[8; 200_000]);
    // The daemon is killed, and another starts.
    let next = Store::open(&root, Access::Traversable).unwrap();
    let leftovers = next.leftovers().unwrap();
    assert_eq!(leftovers.len(), 1);
    leftovers.iter().for_each(|path| store::remove_leftover(path).unwrap());
    beside.put(&view(), &put(1, 500), &mut unfinished).unwrap();
    beside.counters().save().unwrap();
    assert_eq!(content(&next, &found(&next, 1).unwrap()).unwrap(), body);
    assert!(daemon.put(&view(), &put(2, 500), &mut left).is_err());
    assert_eq!(publish(&next, &put(2, 500), b"body"), store::Published::New);
    assert_eq!((action(2), output(b"body")), (put(2, 0).action, found(&next, 2).unwrap().output.id));
}

#[test]
fn what_a_killed_program_left_beside_a_daemon_goes_after_a_day() {
    let (dir, store) = open();
    let root = dir.path().join("state");
    let beside = Store::open(&root, Access::Owner).unwrap().beside_daemon();
    beside.counters().save().unwrap();
    let left = root.join("beside/.tmpLEFT");
    std::fs::write(&left, "half a cou").unwrap();
    let sweep = |hours: u64| {
        let now = SystemTime::now() + Duration::from_secs(hours * 3600);
        store.evictor().sweep(&Targets::default(), now, Mode::Apply, &mut || true).unwrap().unwrap();
        left.exists()
    };
    assert!(sweep(23) && !sweep(25));
}

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use proto::{BuildId, Output};
use store::{Access, Exposed, Exposure, Published, Shutdown, Store};

use crate::{content, found, lose_bytes, open, output, publish, put, resumed, resumed_since_boot, unsynced};

fn reopen(root: &Path) -> Store {
    Store::open(root, Access::Owner).unwrap()
}

/// No small file can be written.
fn take_space(root: &Path) {
    fs::remove_dir(root.join("tmp")).unwrap();
    fs::write(root.join("tmp"), "").unwrap();
}

fn give_space(root: &Path) {
    fs::remove_file(root.join("tmp")).unwrap();
    fs::create_dir(root.join("tmp")).unwrap();
}

fn sync(store: &Store) {
    store.recovery().sync(SystemTime::now, || Ok(())).unwrap();
}

/// As Linux reports a failed write: once.
fn fail_once(store: &Store, error: io::ErrorKind) {
    let failed = Cell::new(false);
    let syncfs = || if failed.replace(true) { Ok(()) } else { Err(error.into()) };
    let synced = || fs::read(store.root().join("synced")).ok();
    let before = synced();
    assert!(store.recovery().sync(SystemTime::now, syncfs).is_err());
    assert_eq!(synced(), before);
    store.recovery().sync(SystemTime::now, syncfs).unwrap();
    assert!(store.root().join("synced").exists());
}

#[test]
fn what_a_failed_sync_was_about_is_read_back_though_the_next_succeeds() {
    for error in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
        let (dir, store) = open();
        let root = dir.path().join("state");
        publish(&store, &put(1, 500), b"lost");
        publish(&store, &put(2, 500), b"kept");
        let (lost, kept) = (found(&store, 1).unwrap(), found(&store, 2).unwrap());
        let is_read_back = |store: &Store| {
            assert_eq!(content(store, &lost), None);
            assert_eq!(content(store, &kept).as_deref(), Some(b"kept".as_slice()));
        };
        fail_once(&store, error);
        lose_bytes(&store, b"lost");
        is_read_back(&store);
        // Another process does so too, after a clean shutdown.
        publish(&store, &put(1, 600), b"lost");
        fail_once(&store, error);
        lose_bytes(&store, b"lost");
        is_read_back(&resumed(reopen(&root), Shutdown::Clean, "boot"));
    }
}

#[test]
fn what_was_put_after_a_failed_sync_and_synced_is_not_to_be_verified() {
    let (dir, store) = open();
    publish(&store, &put(1, 500), b"before");
    let a_while_ago = || SystemTime::now() - std::time::Duration::from_secs(3600);
    assert!(store.recovery().sync(a_while_ago, || Err(io::ErrorKind::Other.into())).is_err());
    sync(&store);
    publish(&store, &put(2, 500), b"after");
    lose_bytes(&store, b"after");
    let store = resumed(reopen(&dir.path().join("state")), Shutdown::Clean, "boot");
    assert!(content(&store, &found(&store, 2).unwrap()).is_some(), "nothing says that it is lost");
}

#[test]
fn a_failed_sync_in_a_store_without_a_daemon_is_known_to_the_next_process_even_without_space() {
    for has_space in [true, false] {
        let (dir, store) = open();
        let root = dir.path().join("state");
        let store = resumed_since_boot(store, "boot");
        publish(&store, &put(1, 500), b"lost");
        let lost = found(&store, 1).unwrap();
        if !has_space {
            take_space(&root);
        }
        assert!(store.recovery().sync(SystemTime::now, || Err(io::ErrorKind::StorageFull.into())).is_err());
        drop(store);
        if !has_space {
            give_space(&root);
        }
        let store = reopen(&root);
        store.recovery().resume_since_boot("boot", SystemTime::now()).unwrap();
        sync(&store);
        lose_bytes(&store, b"lost");
        let store = resumed_since_boot(reopen(&root), "boot");
        assert_eq!(content(&store, &lost), None, "space: {has_space}");
    }
}

#[test]
fn nothing_is_recorded_as_synced_while_the_unsynced_spans_cannot_be_written_down() {
    let (dir, store) = open();
    let root = dir.path().join("state");
    publish(&store, &put(1, 500), b"body");
    take_space(&root);
    assert!(store.recovery().sync(SystemTime::now, || Err(io::ErrorKind::StorageFull.into())).is_err());
    assert!(store.recovery().sync(SystemTime::now, || Ok(())).is_err());
    give_space(&root);
    assert!(!root.join("synced").exists());
    sync(&store);
    assert!(root.join("synced").exists() && root.join("doubt").exists());
}

/// Gets after a stop. Not a test by itself.
#[test]
#[ignore = "started by the other tests of this file"]
fn child() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let store = reopen(Path::new(&variable("STORE")));
    let store = if variable("AFTER") == "boot" {
        resumed_since_boot(store, "second boot")
    } else {
        let store = resumed(store, Shutdown::Unclean, "first boot");
        sync(&store);
        store
    };
    for n in 0..20 {
        assert_eq!(content(&store, &found(&store, n).unwrap()).unwrap(), [n]);
    }
}

#[test]
fn after_a_stop_a_get_reads_and_syncs_nothing_by_itself() {
    for after in ["boot", "crash"] {
        let (dir, store) = open();
        let store = resumed_since_boot(store, "first boot");
        for n in 0..20 {
            publish(&store, &put(n, 500), &[n]);
        }
        let calls = dir.path().join("calls");
        let child = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=fsync,fdatasync,syncfs", "-o"])
            .arg(&calls)
            .arg(std::env::current_exe().unwrap())
            .args(["recovery::child", "--exact", "--ignored"])
            .envs([("STORE", store.root().as_os_str()), ("AFTER", after.as_ref())])
            .stdout(Stdio::null())
            .status();
        assert!(child.expect("strace is needed: apt-get install strace").success());
        assert_eq!(fs::read_to_string(&calls).unwrap(), "", "after a {after}");
        let is_read = |n: u8| {
            let store = unsynced(reopen(store.root()), &[(0, u64::MAX)]);
            lose_bytes(&store, &[n]);
            content(&store, &found(&store, n).unwrap()).is_some()
        };
        assert!((0..20).all(is_read), "each says that it was read");
    }
}

/// A small body that is put again is compared with what the kernel remembers of the file, which is not what the disk has.
#[test]
fn an_object_of_a_failed_sync_is_not_exposed_to_who_puts_it_again_before_it_is_verified() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    publish(&store, &put(1, 500), b"body");
    fail_once(&store, io::ErrorKind::Other);
    assert_eq!(publish(&store, &put(1, 600), b"body"), Published::Again);
    let object = Output { id: output(b"body"), size: 4 };
    assert_eq!(build.expose_published(object, Exposure::Link).unwrap(), Exposed::Unverified);
}

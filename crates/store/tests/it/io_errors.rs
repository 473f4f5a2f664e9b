//! A disk that refuses to look (EIO, EACCES): what cannot be looked at is reported and left. The refusals are strace's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use store::{Access, Mode, Store, Targets};

use crate::{content, found, object_path, open, publish, put};

/// What meets a refusing disk; prints the errors. Not a test by itself.
#[test]
#[ignore = "started by the other tests of this file"]
fn child() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let store = Store::open(Path::new(&variable("STORE")), Access::Owner).unwrap();
    if variable("WORK") == "verify" {
        println!("{:?}", store.verify(Mode::Apply, &mut |_| {}));
    } else {
        let later = SystemTime::now() + Duration::from_secs(3600);
        println!("{:?}", store.evictor().sweep(&Targets::default(), later, Mode::Apply, &mut || true));
    }
}

/// What the work says where the system refuses to look at these paths.
fn refused(store: &Store, work: &str, error: &str, paths: &[PathBuf]) -> String {
    let refuse = format!("inject=?stat,?lstat,newfstatat,statx:error={error}");
    let paths = paths.iter().flat_map(|path| ["-P".as_ref(), path.as_os_str()]);
    let child = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=?stat,?lstat,newfstatat,statx", "-e", &refuse])
        .args(paths)
        .arg(std::env::current_exe().unwrap())
        .args(["io_errors::child", "--exact", "--ignored", "--nocapture"])
        .envs([("STORE", store.root().as_os_str()), ("WORK", work.as_ref())])
        .output();
    let child = child.expect("strace is needed: apt-get install strace");
    assert!(child.status.success());
    String::from_utf8(child.stdout).unwrap()
}

#[test]
fn what_cannot_be_looked_at_is_not_lost() {
    for error in ["EIO", "EACCES"] {
        let (_dir, store) = open();
        publish(&store, &put(1, 500), b"unreadable");
        publish(&store, &put(2, 500), b"whole");
        publish(&store, &put(3, 500), b"lost");
        fs::remove_file(object_path(&store, b"lost")).unwrap();
        let object = object_path(&store, b"unreadable");
        let said = refused(&store, "verify", error, std::slice::from_ref(&object));
        assert!(said.contains("lost_outputs: 1,") && said.contains(object.to_str().unwrap()), "{said}");
        assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"unreadable", "{error}");
        assert_eq!((found(&store, 2).is_some(), found(&store, 3)), (true, None));
    }
}

#[test]
fn a_sweep_removes_nothing_for_what_it_cannot_look_at() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"unreadable");
    let object = object_path(&store, b"unreadable");
    let refuses = [object.parent().unwrap().to_owned(), object];
    let said = refused(&store, "sweep", "EIO", &refuses);
    assert!(said.contains(refuses[0].to_str().unwrap()), "{said}");
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"unreadable");
}

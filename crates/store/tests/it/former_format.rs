use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use proto::{BuildId, Output};
use store::{Access, Exposed, Exposure, Found, Mode, Published, Store, StoreError, Targets, Totals};

use crate::{action, at, content, found, open, output, publish, put, view};

/// A store as version 1 left it, with one entry and a live build that has it and one of its own.
fn former(root: &Path) -> BuildId {
    let id = BuildId([7; 16]);
    {
        let store = Store::open(root, Access::Traversable).unwrap();
        publish(&store, &put(1, 500), b"body");
        let build = store.create_build(id).unwrap();
        build.write_state(b"{}").unwrap();
        assert_eq!(build.expose(Output { id: output(b"body"), size: 4 }, Exposure::Link).unwrap(), Exposed::Yes);
        store.counters().save().unwrap();
    }
    fs::write(root.join("format"), "nix-gocacheprog store 1\n").unwrap();
    fs::rename(root.join("records"), root.join("actions")).unwrap();
    let line = format!("1 c {} 4 500.000000000 70 - 0123456789abcdef\n", output(b"body"));
    let name = action(1).to_string();
    for dir in ["actions/common-0123456789abcdef0123456789abcdef/0", &format!("builds/{id}/private/0")] {
        fs::create_dir_all(root.join(dir)).unwrap();
        fs::write(root.join(dir).join(&name), &line).unwrap();
    }
    id
}

#[test]
fn records_of_the_format_before_are_set_aside_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("state");
    former(&root);
    let store = Store::open(&root, Access::Traversable).unwrap();
    assert!(store.had_former_format());
    assert_eq!(fs::read_to_string(root.join("format")).unwrap(), "nix-gocacheprog store 2\n");
    assert!(!Store::open(&root, Access::Traversable).unwrap().had_former_format(), "it is said once");
    assert_eq!(store.get(&view(), &action(1), at(0)).unwrap(), Found::default(), "a miss, not an error");
    assert_eq!(publish(&store, &put(1, 600), b"other"), Published::New);
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"other");
    assert!(store.leftovers().unwrap().contains(&root.join("actions")));
    let later = SystemTime::now() + std::time::Duration::from_secs(3600);
    store.evictor().sweep(&Targets::default(), later, Mode::Apply, &mut || true).unwrap().unwrap();
    assert!(!root.join("actions").exists());
    // Nothing names what the records named: it goes as well.
    assert_eq!(store.evictor().count().unwrap(), Totals { entries: 1, objects: 1, bytes: 8192 });
}

#[test]
fn a_live_build_of_the_format_before_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("state");
    let id = former(&root);
    let store = Store::open(&root, Access::Traversable).unwrap();
    assert_eq!(store.builds().unwrap(), [id]);
    let build = store.open_build(id);
    assert_eq!(fs::read(build.state_file()).unwrap(), b"{}");
    assert_eq!(fs::read(build.view().join("o").join(output(b"body").to_string())).unwrap(), b"body");
    assert_eq!(build.get("8:1", &action(1), at(0)).unwrap(), None, "what it kept for itself is a miss");
    build.keep("8:1", &put(1, 500), &mut crate::stage(&store, b"kept")).unwrap();
    assert_eq!(build.get("8:1", &action(1), at(0)).unwrap().unwrap().output.id, output(b"kept"));
}

#[test]
fn a_store_that_a_crash_left_without_its_format_is_as_new() {
    let (dir, store) = open();
    publish(&store, &put(1, 500), b"body");
    fs::write(store.root().join("format"), "").unwrap();
    let store = Store::open(&dir.path().join("state"), Access::Traversable).unwrap();
    assert!(!store.had_former_format());
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"body");
}

#[test]
fn a_store_of_another_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("format"), "nix-gocacheprog store 9\n").unwrap();
    let error = Store::open(dir.path(), Access::Owner).unwrap_err();
    assert!(matches!(&error, StoreError::Format { found, .. } if found.ends_with('9')), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Removes what is not there. Not a test by itself.
#[test]
#[ignore = "started by the next test"]
fn child() {
    store::remove_leftover(&Path::new(&std::env::var_os("DIR").unwrap()).join("absent")).unwrap();
}

/// A read-only file system refuses also to remove what is not there, with another error.
#[test]
fn what_is_not_there_needs_no_removal_from_a_read_only_disk() {
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs -o ro none \"$DIR\" && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["former_format::child", "--exact", "--ignored"])
        .env("DIR", dir.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

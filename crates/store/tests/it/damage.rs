use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::Output;
use store::{Access, Exposed, Exposure, Mode, Published, Shutdown, Store, Verified};

use crate::{action, at, content, found, lose_bytes, object_path, open, output, publish, put, resumed, unsynced, view};

fn record_path(store: &Store, n: u8) -> PathBuf {
    let dir = fs::read_dir(store.root().join("records")).unwrap().next().unwrap().unwrap().path();
    let name = action(n).to_string();
    dir.join(&name[..1]).join(name)
}

#[test]
fn a_damaged_record_is_a_miss_and_replaced() {
    let (_dir, store) = open();
    for (n, damage) in [(1u8, b"".as_slice()), (2, b"garbage"), (3, &[0xff; 4096]), (4, b"1 c x")] {
        publish(&store, &put(n, 500), b"body");
        fs::write(record_path(&store, n), damage).unwrap();
        assert!(store.get(&view(), &action(n), at(0)).is_err());
        assert_eq!(publish(&store, &put(n, 600), b"other body"), Published::New);
        assert_eq!(content(&store, &found(&store, n).unwrap()).unwrap(), b"other body");
    }
}

#[test]
fn a_record_under_another_name_is_a_miss() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"one");
    publish(&store, &put(2, 500), b"two");
    fs::copy(record_path(&store, 1), record_path(&store, 2)).unwrap();
    assert!(store.get(&view(), &action(2), at(0)).is_err());
}

#[test]
fn a_missing_or_cut_object_is_no_object_and_repaired_by_a_put() {
    let (_dir, store) = open();
    for (n, body) in [(1u8, vec![1; 100]), (2, vec![2; 100_000])] {
        publish(&store, &put(n, 500), &body);
        let record = found(&store, n).unwrap();
        let path = object_path(&store, &body);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, b"cut").unwrap();
        assert_eq!(content(&store, &record), None);
        publish(&store, &put(n, 600), &body);
        assert_eq!(content(&store, &record).unwrap(), body);
        fs::remove_file(&path).unwrap();
        assert_eq!(content(&store, &record), None);
        publish(&store, &put(n, 700), &body);
        assert_eq!(content(&store, &record).unwrap(), body);
    }
}

#[test]
fn changed_bytes_of_the_right_size_are_repaired_by_a_put() {
    let (_dir, store) = open();
    for (n, body) in [(1, vec![1; 100]), (2, vec![2; 100_000])] {
        publish(&store, &put(n, 500), &body);
        let path = object_path(&store, &body);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, vec![9; body.len()]).unwrap();
        publish(&store, &put(n, 600), &body);
        assert_eq!(fs::read(&path).unwrap(), body);
    }
}

#[test]
fn changed_bytes_of_the_right_size_are_not_served_and_a_store_copied_without_times_is() {
    let (_dir, store) = open();
    for (n, body) in [(1, vec![1; 100]), (2, vec![2; 100_000])] {
        publish(&store, &put(n, 500), &body);
        let record = found(&store, n).unwrap();
        let path = object_path(&store, &body);
        fs::File::open(&path).unwrap().set_modified(at(1_700_000_000)).unwrap();
        assert_eq!(content(&store, &record).unwrap(), body);
        assert!(path.metadata().unwrap().modified().unwrap() < at(1_000_000_000), "and need not be read again");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, vec![9; body.len()]).unwrap();
        assert_eq!(content(&store, &record), None);
        assert!(!path.exists());
    }
}

#[test]
fn changed_bytes_are_not_exposed_to_a_build_that_saw_them_before() {
    let (_dir, store) = open();
    let build = store.create_build(proto::BuildId([1; 16])).unwrap();
    publish(&store, &put(1, 500), b"body");
    let object = Output { id: output(b"body"), size: 4 };
    assert_eq!(build.expose(object, Exposure::Link).unwrap(), Exposed::Yes);
    let path = object_path(&store, b"body");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, b"evil").unwrap();
    assert_eq!(build.expose(object, Exposure::Link).unwrap(), Exposed::Unverified);
    assert_eq!(store.object(object).unwrap(), None);
    assert_eq!(build.expose(object, Exposure::Link).unwrap(), Exposed::No);
    publish(&store, &put(1, 600), b"body");
    assert_eq!(build.expose(object, Exposure::Link).unwrap(), Exposed::Yes);
    assert_eq!(fs::read(build.view().join("o").join(object.id.to_string())).unwrap(), b"body");
}

#[test]
fn a_tree_removed_under_the_daemon_is_made_again_for_the_next_build() {
    let (_dir, store) = open();
    fs::remove_dir_all(store.root()).unwrap();
    store.create_build(proto::BuildId([1; 16])).unwrap();
    assert_eq!(publish(&store, &put(1, 500), b"body"), Published::New);
}

#[test]
fn an_output_whose_object_is_gone_gives_way() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"first");
    fs::remove_file(object_path(&store, b"first")).unwrap();
    assert_eq!(publish(&store, &put(1, 600), b"second"), Published::New);
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"second");
}

#[test]
fn directories_that_went_away_are_made_again() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"body");
    fs::remove_dir_all(store.root().join("objects")).unwrap();
    fs::remove_dir_all(store.root().join("records")).unwrap();
    assert_eq!(found(&store, 1), None);
    assert_eq!(publish(&store, &put(1, 500), b"body"), Published::New);
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"body");
}

#[test]
fn what_was_written_before_an_unclean_shutdown_is_verified_before_it_is_served() {
    let (dir, store) = open();
    publish(&store, &put(1, 500), b"lost");
    publish(&store, &put(2, 500), b"kept");
    let (lost, kept) = (found(&store, 1).unwrap(), found(&store, 2).unwrap());
    lose_bytes(&store, b"lost");
    assert!(store.object(lost.output).unwrap().is_some(), "its size and times say nothing");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let reopen = || Store::open(&dir.path().join("state"), Access::Owner).unwrap();
    let elsewhen = unsynced(reopen(), &[(0, now - 100), (now + 100, u64::MAX)]);
    assert!(elsewhen.object(lost.output).unwrap().is_some());
    let store = unsynced(reopen(), &[(0, 5), (now - 60, now + 60)]);
    assert_eq!(content(&store, &kept).unwrap(), b"kept");
    assert_eq!(content(&store, &lost), None);
    assert!(!object_path(&store, b"lost").exists());
    // What was read once is not read again: it says so itself.
    lose_bytes(&store, b"kept");
    assert!(store.object(kept.output).unwrap().is_some());
}

#[test]
fn links_that_come_and_go_leave_a_file_to_be_verified() {
    let (dir, store) = open();
    publish(&store, &put(1, 500), b"lost");
    let lost = found(&store, 1).unwrap();
    let link = dir.path().join("link");
    fs::hard_link(object_path(&store, b"lost"), &link).unwrap();
    lose_bytes(&store, b"lost");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let until = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() - 1;
    let store = unsynced(store, &[(0, until)]);
    fs::remove_file(&link).unwrap(); // changes its ctime
    assert_eq!(content(&store, &lost), None);
}

#[test]
fn a_copy_of_a_store_with_unsynced_spans_is_verified_as_a_whole() {
    let (dir, store) = open();
    publish(&store, &put(1, 500), b"lost");
    publish(&store, &put(2, 500), b"kept");
    let (lost, kept) = (found(&store, 1).unwrap(), found(&store, 2).unwrap());
    lose_bytes(&store, b"lost");
    let store = unsynced(store, &[(0, 5)]); // a span in which neither was made
    store.recovery().save().unwrap();
    let reopen = |path: &Path| resumed(Store::open(path, Access::Owner).unwrap(), Shutdown::Clean, "boot");
    let same = reopen(store.root());
    assert!(same.object(lost.output).unwrap().is_some(), "nothing says that it is lost");
    let copy = dir.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").arg(store.root()).arg(&copy).status().unwrap();
    assert!(copied.success());
    let copy = reopen(&copy);
    assert_eq!((content(&copy, &lost), content(&copy, &kept).as_deref()), (None, Some(b"kept".as_slice())));
}

#[test]
fn verify_finds_and_removes_what_is_damaged_and_nothing_else() {
    let (_dir, store) = open();
    for n in 0..8u8 {
        publish(&store, &put(n, 500), &[n; 70_000]);
    }
    lose_bytes(&store, &[0; 70_000]);
    lose_bytes(&store, &[1; 70_000]);
    fs::remove_file(object_path(&store, &[2; 70_000])).unwrap();
    fs::write(record_path(&store, 3), "garbage").unwrap();
    let foreign = object_path(&store, &[4; 70_000]).with_file_name("notes.txt");
    fs::write(&foreign, "mine").unwrap();
    let damaged_files =
        [object_path(&store, &[1; 70_000]), record_path(&store, 3)].map(|path| path.display().to_string()).into();
    let seen = Verified {
        entries: 5, // an entry of a damaged object is not intact
        outputs: 5,
        objects: 6,
        bytes: 6 * 70_000,
        damaged_objects: 1, // of 70,000 zeros the first one is whole
        damaged_records: 1,
        lost_outputs: 2,
        damaged_files,
        foreign: 1,
        errors: Vec::new(),
    };
    assert_eq!(store.verify(Mode::DryRun, &mut |_| {}).unwrap(), seen);
    // A damaged object goes with its record.
    assert_eq!(store.verify(Mode::Apply, &mut |_| {}).unwrap(), seen);
    let after = store.verify(Mode::DryRun, &mut |_| {}).unwrap();
    assert!(after.is_whole() && after.entries == 5 && after.objects == 6, "{after:?}");
    assert_eq!(fs::read(&foreign).unwrap(), b"mine");
}

#[test]
fn verify_names_a_record_of_which_a_line_is_damaged_and_keeps_its_other_lines() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"body");
    let path = record_path(&store, 1);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [whole.as_slice(), b"garbage\n"].concat()).unwrap();
    for mode in [Mode::DryRun, Mode::Apply] {
        let seen = store.verify(mode, &mut |_| {}).unwrap();
        assert_eq!((seen.entries, seen.damaged_records), (1, 1));
        assert_eq!(seen.damaged_files, [path.display().to_string()]);
    }
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert!(store.verify(Mode::DryRun, &mut |_| {}).unwrap().is_whole());
}

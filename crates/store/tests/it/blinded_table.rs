//! The blinded table of a live build: what is in it, and what takes answers out of it.

use std::collections::HashSet;
use std::os::unix::fs::FileExt;

use proto::BuildId;
use proto::blinded_table::{Head, SLOT};
use store::{BuildDir, Mode, PurgeFilter};

use super::*;

const BUILD: BuildId = BuildId([7; 16]);

/// A build with a table that has these actions, of what the store has.
fn build_with_table(store: &Store, actions: &[u8]) -> BuildDir {
    let build = store.create_build(BUILD).unwrap();
    make_table(store, &build, actions);
    build
}

fn make_table(store: &Store, build: &BuildDir, actions: &[u8]) {
    let mut table = build.begin_table([1; 32]).unwrap();
    for &n in actions {
        table.add(action(n), &found(store, n).unwrap());
    }
    table.finish([2; 32], &Toolchain::default(), &HashSet::new()).unwrap();
}

/// The output that the build's table has for an action, and whether its file has it.
fn answer(build: &BuildDir, n: u8) -> Option<OutputId> {
    let (_, answer) = build.table_answers(&[action(n)]).pop()?;
    let file = fs::metadata(build.view().join("p").join(answer.link.file_name())).unwrap();
    assert_eq!(file.len(), answer.output.size);
    Some(answer.output.id)
}

#[test]
fn a_table_has_what_was_added_by_links_that_do_not_tell_the_output() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"one");
    publish(&store, &put(2, 500), b"one");
    let build = build_with_table(&store, &[1, 2]);
    assert_eq!(
        (answer(&build, 1), answer(&build, 2), answer(&build, 3)),
        (Some(output(b"one")), Some(output(b"one")), None)
    );
    let links: Vec<_> = fs::read_dir(build.view().join("p")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(links.len(), 1);
    assert!(!links[0].to_str().unwrap().contains(&output(b"one").to_string()[..8]));
}

#[test]
fn an_output_that_changed_is_not_added() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"one");
    let record = found(&store, 1).unwrap();
    let object = object_path(&store, b"one");
    fs::remove_file(&object).unwrap();
    fs::write(&object, b"two").unwrap();
    let build = store.create_build(BUILD).unwrap();
    let mut table = build.begin_table([1; 32]).unwrap();
    assert!(!table.add(action(1), &record));
    table.finish([2; 32], &Toolchain::default(), &HashSet::new()).unwrap();
    assert_eq!(answer(&build, 1), None);
}

#[test]
fn what_a_build_has_of_its_own_is_taken_out_and_the_rest_stays() {
    let (_dir, store) = open();
    (1..=3).for_each(|n| drop(publish(&store, &put(n, 500), &[n])));
    let build = build_with_table(&store, &[1, 2, 3]);
    build.withdraw(&action(1), &output(b"own")).unwrap();
    build.withdraw(&action(2), &output(&[2])).unwrap();
    build.withdraw(&action(99), &output(b"own")).unwrap();
    assert_eq!(
        (answer(&build, 1), answer(&build, 2), answer(&build, 3)),
        (None, Some(output(&[2])), Some(output(&[3])))
    );
}

#[test]
fn quarantine_and_purge_revoke_tables_and_name_the_builds_that_had_the_output() {
    for is_purged in [false, true] {
        let (_dir, store) = open();
        publish(&store, &put(1, 500), b"bad");
        publish(&store, &put(2, 500), b"good");
        let build = build_with_table(&store, &[1, 2]);
        let given_to = if is_purged {
            let filter = PurgeFilter::Before(at(501));
            let purged = store.evictor().purge(&filter, at(1_000_000), Mode::Apply, &mut |_| {}).unwrap();
            assert_eq!(purged.errors, Vec::<String>::new());
            purged.given_to
        } else {
            let (builds, error) = store.quarantine(&view(), &action(1), (&output(b"bad"), None)).unwrap();
            assert!(error.is_none());
            builds.into_iter().map(BuildId::short).collect()
        };
        assert_eq!(given_to, [BUILD.short()]);
        assert_eq!((answer(&build, 1), answer(&build, 2)), (None, None));
    }
}

#[test]
fn what_a_build_got_of_its_own_while_its_table_was_made_is_not_in_it() {
    let (_dir, store) = open();
    (1..=2).for_each(|n| drop(publish(&store, &put(n, 500), &[n])));
    let build = store.create_build(BUILD).unwrap();
    let mut table = build.begin_table([1; 32]).unwrap();
    assert!((1..=2).all(|n| table.add(action(n), &found(&store, n).unwrap())));
    assert_eq!(table.finish([2; 32], &Toolchain::default(), &HashSet::from([action(1)])).unwrap(), 1);
    assert_eq!((answer(&build, 1), answer(&build, 2)), (None, Some(output(&[2]))));
}

#[test]
fn what_is_revoked_while_a_table_is_made_never_comes_into_service() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"bad");
    let build = store.create_build(BUILD).unwrap();
    let mut table = build.begin_table([1; 32]).unwrap();
    table.add(action(1), &found(&store, 1).unwrap());
    // A go command that began meanwhile.
    let opened = fs::File::open(build.view().join("table")).unwrap();
    store.quarantine(&view(), &action(1), (&output(b"bad"), None)).unwrap();
    assert!(table.finish([2; 32], &Toolchain::default(), &HashSet::new()).is_err());
    assert_eq!(answer(&build, 1), None);
    let mut head = [0; SLOT];
    opened.read_exact_at(&mut head, 0).unwrap();
    assert_eq!(Head::read(&head), None);
}

#[test]
fn a_failed_sync_and_a_damaged_object_revoke_tables() {
    for is_damaged in [false, true] {
        let (_dir, store) = open();
        publish(&store, &put(1, 500), b"one");
        publish(&store, &put(2, 500), b"two");
        let build = build_with_table(&store, &[1]);
        if is_damaged {
            let object = object_path(&store, b"two");
            fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&object, b"2wo").unwrap();
            store.verify(Mode::Apply, &mut |_| {}).unwrap();
        } else {
            store.recovery().sync(|| at(600), || Err(std::io::ErrorKind::Other.into())).unwrap_err();
        }
        assert_eq!(answer(&build, 1), None);
    }
}

#[test]
fn what_a_build_under_our_own_uid_puts_in_the_place_of_a_table_is_neither_followed_nor_waited_for() {
    let (dir, store) = open();
    publish(&store, &put(1, 500), b"bad");
    let (build, outside) = (store.create_build(BUILD).unwrap(), dir.path().join("outside"));
    let table = build.view().join("table");
    for has_secret in [false, true] {
        fs::write(&outside, "kept").unwrap();
        std::os::unix::fs::symlink(&outside, &table).unwrap();
        drop(store.quarantine(&view(), &action(1), (&output(b"bad"), None)).unwrap());
        assert_eq!(fs::read(&outside).unwrap(), b"kept");
        fs::remove_file(&table).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &table, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        drop(store.quarantine(&view(), &action(1), (&output(b"bad"), None)).unwrap());
        assert_eq!(answer(&build, 1), None);
        assert!(build.withdraw(&action(1), &output(b"own")).is_ok());
        fs::remove_file(&table).unwrap();
        if !has_secret {
            fs::write(build.state_file().with_file_name("secret"), [0; 32]).unwrap();
        }
    }
}

#[test]
fn what_a_table_names_stays_when_its_object_is_evicted() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"one");
    let build = build_with_table(&store, &[1]);
    fs::remove_file(object_path(&store, b"one")).unwrap();
    assert_eq!(answer(&build, 1), Some(output(b"one")));
}
